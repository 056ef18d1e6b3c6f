import Averaging
import Checkpoints
import Datasets
import TensorCore

/// What a run does while it trains: steps, validation, saving, and the final model.
extension TrainingRun {
  /// Trains to the end, or until a signal asks to stop; all ranks return the same.
  public func train() throws -> Ending {
    let watch = try beginWatch()
    defer { watch?.end() }
    do { return try trainToTheEnd() } catch {
      checkpoints.close()
      reportSaves()
      reporter.failed(error)
      throw error
    }
  }

  private func trainToTheEnd() throws -> Ending {
    reporter.begin(trainer)
    (lastMeeting, nextMeeting) = (trainer.step, trainer.nextMeeting(afterStep: trainer.step))
    if trainer.step >= lastStep {
      reporter.message(
        "nothing is left to train; prolong the run with, for example, --set epochs=\(2 * lastEpoch)")
    }
    let reached =
      try isOver
      || trainer.fit(
        untilStep: lastStep, stopRequested: { isAskedToStop },
        saveRequested: { wantsToSave }, endsEarly: { isOver }, afterStep: { try afterStep($0) })
    if isOver, trainer.step < lastStep {
      reporter.message(
        "stopped early after step \(trainer.step) of \(lastStep): "
          + earlyStopping.reason(configuration.earlyStopping))
    }
    try saveAtTheEnd()
    guard reached else {
      let reason = try StopReason(over: communicator).words(timeLimit: timeLimit?.seconds)
      reporter.stopped(step: trainer.step, saved: savedStep, lastStep: lastStep, reason: reason)
      return .stopped
    }
    try finish()
    return .finished
  }

  private var isOver: Bool { earlyStopping.isOver(configuration.earlyStopping) }

  private var lastEpoch: Int { (max(trainer.step, lastStep) + stepsPerEpoch - 1) / stepsPerEpoch }

  private func afterStep(_ outcome: SynchronizedStep.Outcome) throws {
    let step = trainer.step
    if let fault = outcome.fault { reporter.skipped(step: step, fault: fault, trainer.skipped) }
    // Of several runs in a process only the first would begin with it.
    if start.firstStep == nil, !isQuiet, let age = ProcessAge.seconds {
      start.firstStep = age
      reporter.began(start)
    }
    guard step == nextMeeting || step == lastStep else {
      return reporter.progress(trainer, lastStep: lastStep)
    }
    func isDue(every: Int) -> Bool { step / every > lastMeeting / every }
    defer { (lastMeeting, nextMeeting) = (step, trainer.nextMeeting(afterStep: step)) }
    if let every = configuration.audit.everySteps, every > 0, isDue(every: every) { try audit() }
    if isDue(every: configuration.metrics.everySteps) || step == lastStep {
      reporter.interval(trainer, epoch: (step - 1) / stepsPerEpoch + 1, waits: try gatherWaits())
    }
    let endsEpoch = step % stepsPerEpoch == 0
    if endsEpoch || step == lastStep {
      let isRegular = endsEpoch && (step / stepsPerEpoch) % configuration.validation.everyEpochs == 0
      try endEpoch(validates: isRegular || step == lastStep, isRegular: isRegular)
    } else {
      reporter.progress(trainer, lastStep: lastStep)
    }
    try saveWhereDue(isRequested: outcome.shouldSave)
  }

  private func endEpoch(validates: Bool, isRegular: Bool) throws {
    let epoch = (trainer.step - 1) / stepsPerEpoch + 1
    var evaluation: Evaluation?
    if validates, let (samples, split) = data.validation {
      let result = try withChosenParameters { try trainer.evaluate(samples) }
      evaluation = result
      // A run that is prolonged has no validation where it once ended; so that one steers nothing.
      if isRegular { observe(result) }
      reporter.evaluation(result, step: trainer.step, epoch: epoch, split: split)
      let candidate = RunState.Best(
        step: trainer.step, epoch: epoch, loss: result.loss, accuracy: result.accuracy)
      if candidate.isBetter(than: best) { best = candidate }
    }
    reporter.epoch(
      trainer, epoch: epoch, lastStep: lastStep, evaluation: evaluation,
      split: data.validation?.split ?? .validation)
  }

  /// Where the best model is wanted and is not the last: its parameters come back from its checkpoint.
  ///
  /// - Returns: its step; nil where the model stays as it is.
  private func bringBackBest() throws -> Int? {
    guard configuration.checkpoint.final == .best, let best, best.step != trainer.step else { return nil }
    var checkpoint: Checkpoint?
    var reason = ""
    do {
      checkpoint = try folder?.store.verify(best.step)
    } catch {
      reason = "\(error)"
    }
    guard try communicator.allgather(bytes: Array(reason.utf8))[0].isEmpty else {
      reporter.warning("the best model, of step \(best.step), cannot be had; the last is taken: \(reason)")
      return nil
    }
    try checkpoints.load(checkpoint)
    return best.step
  }

  /// The final model, tried on the test samples, written, and summed up.
  private func finish() throws {
    let finalStep = try bringBackBest() ?? trainer.step
    try withChosenParameters { try finish(finalStep: finalStep) }
  }

  private func finish(finalStep: Int) throws {
    var results: [(MetricsRecord.Split, Evaluation)] = []
    for (samples, split) in [(data.heldOut, MetricsRecord.Split.validation), (data.test, .test)] {
      if let samples { results.append((split, try trainer.evaluate(samples, confusion: split == .test))) }
    }
    let times = try gatherTimes()
    try together(communicator) {
      guard let folder else { return }
      var description = modelDescription
      description.step = finalStep
      try Safetensors.write(trainer.tensors, metadata: description.metadata, to: folder.modelPath)
    }
    let chosen = configuration.checkpoint.final == .best && finalStep == best?.step ? best : nil
    note(results, digest: trainer.digest.description)
    reporter.finish(
      self, results: results, times: times, bestEpoch: chosen?.epoch,
      digest: trainer.digest.description)
  }

  /// What those learn who had it trained among others.
  private func note(_ results: [(MetricsRecord.Split, Evaluation)], digest: String) {
    var outcome = MemberOutcome(state: .finished)
    outcome.results = results.map { split, evaluation in
      MemberOutcome.Result(
        split: split, loss: evaluation.loss, accuracy: evaluation.accuracy, samples: evaluation.samples)
    }
    outcome.bestEpoch = best?.epoch
    outcome.steps = trainer.step
    outcome.ranks = communicator.size
    outcome.digest = digest
    self.outcome = outcome
  }
}
