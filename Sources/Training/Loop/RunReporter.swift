import Datasets
import Foundation

/// What a run tells: progress, metrics, log and the closing summary. On ranks other than 0 it is silent.
final class RunReporter {
  private let display: ProgressDisplay
  private let log: RunLog
  private let folder: RunFolder?
  private var metrics: MetricsWriter?
  private var checkpoints = CheckpointCosts()
  private var lastBusy = 0.0
  private var epochBusy = 0.0
  private var epochSamples = 0
  private var epochStart = MonotonicTime.seconds
  private var firstStep = 0
  private let started = MonotonicTime.seconds

  init(_ folder: RunFolder?, isSilent: Bool) {
    self.folder = folder
    display = ProgressDisplay(silent: isSilent)
    log = RunLog(at: folder?.logPath, display: display, silent: isSilent)
  }

  func openMetrics(afterStep step: Int) throws(ReportingError) {
    guard let folder else { return }
    metrics = try MetricsWriter(at: folder.metricsPath, resumingAfterStep: step)
  }

  /// The command as the user called it, to be called again.
  private static var program: String { CommandLine.arguments.first ?? "lockstep" }

  func message(_ text: String) { log.message(text) }
  func warning(_ text: String) { log.warning(text) }

  func leftovers(_ names: [String]) {
    guard !names.isEmpty else { return }
    log.message("removed what an interrupted save left: \(names.joined(separator: ", "))")
  }

  func begin(_ trainer: Trainer) {
    firstStep = trainer.step
    lastBusy = Self.busy(trainer)
    epochBusy = lastBusy
    epochStart = MonotonicTime.seconds
  }

  func began(_ start: StartTimes) { start.text.map(log.note) }

  /// Seconds spent on steps, without validation and saving.
  private static func busy(_ trainer: Trainer) -> Double {
    let time = trainer.time
    let phases: [TimeAccount.Phase] = [.compute, .communication, .data]
    return phases.reduce(0) { $0 + Double(time.nanoseconds($1)) * 1e-9 }
  }

  /// - Parameter waits: the part of the interval that each rank waited; nil for one rank.
  func interval(_ trainer: Trainer, epoch: Int, waits: [Double]?) {
    let sums = trainer.intervalSums
    trainer.intervalSums = StepSums()
    guard folder != nil else { return }
    let busy = Self.busy(trainer)
    defer { lastBusy = busy }
    write(
      trainer.step, epoch, .train, loss: sums.meanLoss, accuracy: trainer.accuracy(of: sums),
      samplesPerSecond: Double(sums.samples) / max(busy - lastBusy, 1e-9), waits: waits,
      skipped: trainer.skipped.count > 0 ? trainer.skipped.count : nil)
  }

  func skipped(step: Int, fault: String, _ skipped: SkippedSteps) {
    warning(
      "step \(step) is skipped, nothing has changed: infinite numbers or NaN in \(fault); \(skipped.count) skipped so far"
    )
  }

  func evaluation(_ evaluation: Evaluation, step: Int, epoch: Int, split: MetricsRecord.Split) {
    write(step, epoch, split, loss: evaluation.loss, accuracy: evaluation.accuracy, samplesPerSecond: nil)
  }

  /// A full disk must not end a training: the record is lost, with a warning, and the run goes on.
  private func write(
    _ step: Int, _ epoch: Int, _ split: MetricsRecord.Split, loss: Double, accuracy: Double?,
    samplesPerSecond: Double?, waits: [Double]? = nil, skipped: Int? = nil
  ) {
    report { metrics throws(ReportingError) in
      var record = MetricsRecord(
        step: step, epoch: epoch, split: split, loss: loss, accuracy: accuracy,
        samplesPerSecond: samplesPerSecond, seconds: metrics.seconds)
      (record.waits, record.skipped) = (waits, skipped)
      try metrics.write(record)
    }
  }

  private func report(_ write: (MetricsWriter) throws(ReportingError) -> Void) {
    guard let metrics else { return }
    do { try write(metrics) } catch { warning("\(error)") }
  }

  func progress(_ trainer: Trainer, lastStep: Int) {
    guard folder != nil, display.isDue else { return }
    let perEpoch = trainer.sampler.batchesPerEpoch
    let epoch = (trainer.step - 1) / perEpoch
    let end = min((epoch + 1) * perEpoch, lastStep)
    let sums = trainer.epochSums
    display.update(
      ProgressState(
        epoch: epoch + 1, epochs: (lastStep + perEpoch - 1) / perEpoch,
        stepInEpoch: trainer.step - epoch * perEpoch,
        stepsInEpoch: end - epoch * perEpoch, stepsAfterEpoch: lastStep - end, loss: sums.meanLoss,
        accuracy: trainer.accuracy(of: sums), samplesPerSecond: epochRate(trainer)))
  }

  /// Of the steps since the epoch began, or since the run was resumed within it.
  private func epochRate(_ trainer: Trainer) -> Double {
    Double(trainer.samplesTrained - epochSamples) / max(Self.busy(trainer) - epochBusy, 1e-9)
  }

  func epoch(
    _ trainer: Trainer, epoch: Int, lastStep: Int, evaluation: Evaluation?, split: MetricsRecord.Split
  ) {
    guard folder != nil else { return }
    let perEpoch = trainer.sampler.batchesPerEpoch
    let sums = trainer.epochSums
    let summary = EpochSummary(
      epoch: epoch, epochs: (lastStep + perEpoch - 1) / perEpoch, trainingLoss: sums.meanLoss,
      trainingAccuracy: trainer.accuracy(of: sums), split: split,
      validationLoss: evaluation?.loss,
      validationAccuracy: evaluation?.accuracy, samplesPerSecond: epochRate(trainer),
      seconds: MonotonicTime.seconds - epochStart)
    display.finishEpoch(summary)
    log.note(summary.text)
    epochBusy = Self.busy(trainer)
    epochSamples = trainer.samplesTrained
    epochStart = MonotonicTime.seconds
  }

  /// What became of a save.
  func saved(_ outcome: SaveOutcome, epoch: Int) {
    if let failure = outcome.failure {
      return warning("step \(outcome.step) could not be saved, training goes on: \(failure)")
    }
    if let failure = outcome.pruningFailure {
      warning("step \(outcome.step) is saved, older checkpoints could not be removed: \(failure)")
    }
    checkpoints.add(outcome.cost)
    log.note("checkpoint step-\(outcome.step): \(CheckpointCosts(outcome.cost).text)")
    report { metrics throws(ReportingError) in
      try metrics.write(
        CheckpointRecord(step: outcome.step, epoch: epoch, cost: outcome.cost, seconds: metrics.seconds))
    }
  }

  /// - Parameters:
  ///   - saved: the step of the last checkpoint.
  ///   - reason: `a signal`.
  func stopped(step: Int, saved: Int?, lastStep: Int, reason: String) {
    guard let folder else { return }
    display.clear()
    let outcome = saved == step ? "saved" : "not saved; the last checkpoint is of step \(saved ?? 0)"
    log.message(
      "stopped by \(reason) after step \(step) of \(lastStep), \(outcome); go on with: "
        + "\(RunSummary.shellWord(Self.program)) train --resume --out \(RunSummary.shellWord(folder.path))")
  }

  /// Takes the bar away and keeps the reason in the log; telling it is left to the caller.
  func failed(_ error: any Error) {
    display.clear()
    log.note("failed: \(error)")
  }

  func finish(
    _ run: TrainingRun, results: [(split: MetricsRecord.Split, evaluation: Evaluation)], times: RankTimes,
    bestEpoch: Int?, digest: String
  ) {
    guard let folder else { return }
    let trainer = run.trainer
    let perEpoch = run.stepsPerEpoch
    var summary = RunSummary(
      results: results.map {
        .init(
          split: $0.split, loss: $0.evaluation.loss, accuracy: $0.evaluation.accuracy,
          samples: $0.evaluation.samples)
      }, bestEpoch: bestEpoch, epochs: (run.lastStep + perEpoch - 1) / perEpoch,
      steps: trainer.step - firstStep,
      samplesPerSecond: Double(trainer.samplesTrained) / max(Self.busy(trainer), 1e-9),
      totalSeconds: MonotonicTime.seconds - started,
      phases: times.phases, ranks: run.communicator.size, threads: run.configuration.threads,
      folder: folder.path,
      digest: digest)
    summary.program = Self.program
    summary.start = run.start
    summary.waits = times.waits
    summary.skippedSteps = trainer.skipped.count
    summary.checkpoints = checkpoints
    display.clear()
    if let picture = DigitGallery.picture(of: run) { display.note(picture) }
    if let confusion = results.last?.evaluation.confusion, let worst = confusion.commonestConfusions(1).first
    {
      log.message("most often mistaken: \(worst.actual) for \(worst.predicted), \(worst.count) times")
    }
    log.message(summary.text)
  }
}

extension Trainer {
  /// nil where answers are not right or wrong.
  func accuracy(of sums: StepSums) -> Double? {
    let answers = objective.target.answersPerSample
    return answers > 0 ? sums.accuracy(answersPerSample: answers) : nil
  }
}
