import MessagePassing
import Optimizers
import TensorCore

/// What a run does with the figures of its validations besides reporting them.
extension TrainingRun {
  /// Does something with the parameters that the configuration wants to be judged: themselves or their average.
  func withChosenParameters<Result>(_ body: () throws -> Result) throws -> Result {
    guard configuration.ema.decay != nil, configuration.ema.evaluate else { return try body() }
    return try trainer.withAveragedParameters(body)
  }

  /// The same figures come on all ranks, and lead to the same.
  func observe(_ evaluation: Evaluation) {
    earlyStopping.observe(evaluation, configuration.earlyStopping)
    guard var plateau else { return }
    if plateau.observe(loss: evaluation.loss) {
      reporter.message("learning rate lowered to \(plateau.learningRate): the validation loss stays")
    }
    follow(plateau)
  }

  func follow(_ plateau: Plateau) {
    self.plateau = plateau
    trainer.synchronized.learningRate = plateau.learningRate
  }
}

/// How a run looks after itself: its time, its ranks, its weights.
extension TrainingRun {
  /// Has every rank watched from now on, where that is wanted.
  func beginWatch() throws -> RunWatch? {
    guard hangTimeout > 0 else { return nil }
    let watch = try RunWatch(
      over: communicator, patience: hangTimeout, instructions: trainer.instructionNames)
    trainer.whereabouts = watch.whereabouts
    if let note = watch.note { reporter.message("ranks are watched by messages, a little later: \(note)") }
    return watch
  }

  /// Whether this rank was asked to stop; it tells the others with the gradients.
  var isAskedToStop: Bool {
    StopSignal.request != nil || isTimeUp() || communicator.rank == 0 && shouldStop()
  }

  /// Rank 0 decides.
  private func isTimeUp() -> Bool {
    let next = trainer.nextMeeting(afterStep: trainer.step)
    return timeLimit?.isUp(
      endsEpoch: next % stepsPerEpoch == 0,
      nextEndsEpoch: trainer.nextMeeting(afterStep: next) % stepsPerEpoch == 0,
      now: MonotonicTime.seconds) ?? false
  }

  /// Ends the run where a rank's weights are not those of the others.
  func audit() throws {
    guard auditedStep != trainer.step else { return }
    auditedStep = trainer.step
    guard
      let difference = try trainer.measure(.checkpoint, { try ReplicaAudit(trainer: trainer).difference() })
    else { return }
    let ranks = describeRanks(difference.ranks)
    throw TrainingError(
      at: "after step \(trainer.step)", expected: "the same weights on all ranks",
      found: "others on \(ranks), first in \(difference.tensor)",
      remedy:
        "Nothing of this was saved: go on from the last checkpoint with --resume. Check the memory of the machine of \(ranks); "
        + "if it comes again, it is a fault of the program."
    )
  }

  /// Where the time of all ranks went. All ranks call it.
  func gatherTimes() throws -> RankTimes {
    let mine = trainer.time.seconds
    let all = Arena<Double>(count: mine.count * communicator.size)
    let slices = (0..<communicator.size).map { $0 * mine.count..<($0 + 1) * mine.count }
    _ = all.buffer(slices[communicator.rank]).update(fromContentsOf: mine)
    try communicator.allgather(all.buffer, slices: slices)
    return RankTimes(slices.map { Array(all.buffer($0)) })
  }

  /// What part of the time since it was called last each rank waited for others; nil for one rank. All ranks call it.
  func gatherWaits() throws -> [Double]? {
    guard communicator.size > 1 else { return nil }
    let times = try gatherTimes()
    defer { timesBefore = times }
    return times.waits(since: timesBefore)
  }
}

extension RunConfiguration {
  /// Refuses what needs validation where there are no samples for it.
  func requireValidation(_ data: RunData) throws(TrainingError) {
    let wants =
      schedule.name == .plateau
      ? "schedule.name plateau" : earlyStopping.patience == nil ? nil : "earlyStopping.patience"
    if let wants, data.validation == nil {
      throw TrainingError(
        at: wants, expected: "samples to validate on", found: "none",
        remedy: "Hold some out, for example: --set validation.fraction=0.1")
    }
    guard earlyStopping.on == .accuracy, trainingTarget(of: data).answersPerSample == 0 else { return }
    throw TrainingError(
      at: "earlyStopping.on", expected: "loss, where values are predicted and not classes", found: "accuracy",
      remedy: "Watch the loss: --set earlyStopping.on=loss")
  }

  /// Refuses a warm-up that leaves nothing of a schedule which has an end.
  func requireWarmup(stepsPerEpoch: Int) throws(TrainingError) {
    guard let total = schedule.totalSteps else { return }
    let steps = schedule.warmupEpochs.map { $0 * stepsPerEpoch } ?? schedule.warmupSteps
    guard steps >= total else { return }
    throw TrainingError(
      at: schedule.warmupEpochs == nil ? "schedule.warmupSteps" : "schedule.warmupEpochs",
      expected: "a warm-up shorter than the schedule's \(total) steps", found: "\(steps) steps",
      remedy: "Shorten the warm-up, or make the run longer.")
  }
}
