import Optimizers

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
