import Averaging
import Checkpoints

/// When a run saves, and what it does about saves that fail.
extension TrainingRun {
  /// On rank 0: whether all are to save after the next step. By the clock nothing is begun that would have to wait.
  var wantsToSave: Bool {
    folder != nil && checkpoints.stepUnderWay.map { $0 == reportedSave } ?? true
      && interval.isDue(at: MonotonicTime.seconds)
  }

  /// After every step: saves where that is due, and lets the save under way go on.
  func saveWhereDue(isRequested: Bool) throws {
    let isBest = configuration.checkpoint.final == .best && best?.step == trainer.step
    if interval.isDue(afterStep: trainer.step, last: lastMeeting) || isRequested || isBest {
      try save()
    } else if checkpoints.isTravelling {
      try trainer.measure(.checkpoint) { try checkpoints.advance() }
    }
    reportSaves()
  }

  /// Begins to save the state as it is. What was under way is waited for: somebody may rely on it.
  private func save() throws {
    if configuration.audit.everySteps != 0 { try audit() }
    try trainer.measure(.checkpoint) {
      try settle()
      var state = RunState(
        step: trainer.step, epochSums: trainer.epochSums, intervalSums: trainer.intervalSums, best: best,
        identity: identity.configuration, data: identity.data, program: identity.program,
        libraries: identity.libraries, processor: identity.processor, ranks: communicator.size)
      state.plateau = plateau
      state.workers = trainer.periodic?.workers
      state.skipped = trainer.skipped.count > 0 ? trainer.skipped : nil
      state.earlyStopping = configuration.earlyStopping.patience == nil ? nil : earlyStopping
      var description = modelDescription
      description.step = trainer.step
      try checkpoints.begin(
        state, description: description,
        protecting: configuration.checkpoint.final == .best ? best?.step : nil)
      savedStep = trainer.step
      interval.saved(at: MonotonicTime.seconds)
    }
  }

  /// Waits for the save under way. All ranks learn what became of it; three failures in a row end the run.
  private func settle() throws {
    guard let (step, failure) = try checkpoints.settle() else { return }
    reportSaves()
    guard let failure else {
      failedSaves = 0
      return
    }
    if savedStep == step { savedStep = nil }
    failedSaves += 1
    guard failedSaves < 3 else {
      throw TrainingError(
        at: folder?.store.folder ?? "checkpoints",
        expected: "to save at least one checkpoint in three attempts",
        found: failure,
        remedy: "Make room on the disk or mend the folder, then go on with --resume; older checkpoints stand."
      )
    }
  }

  /// Saves what is not saved yet, and waits until it is safe; tries again once where that fails.
  func saveAtTheEnd() throws {
    for _ in 0..<2 {
      if savedStep != trainer.step { try save() }
      try trainer.measure(.checkpoint) { try settle() }
    }
  }

  /// On rank 0: tells what became of the save under way, as soon as it is known.
  func reportSaves() {
    guard let outcome = checkpoints.news() else { return }
    reportedSave = outcome.step
    if outcome.failure == nil { interval.note(outcome.cost) }
    timeLimit?.noteSave(seconds: outcome.cost.foregroundSeconds + outcome.cost.backgroundSeconds)
    reporter.saved(outcome, epoch: (outcome.step - 1) / stepsPerEpoch + 1)
  }
}
