import Optimizers

/// What a configuration says about optimizers and schedules, as those of the module that has them.
extension RunConfiguration {
  /// - Parameters:
  ///   - stepsInRun: what a schedule spans that was not given its length.
  ///   - stepsPerEpoch: of the optimizer.
  package func makeOptimizer(stepsInRun: Int, stepsPerEpoch: Int = 1) -> Optimizer {
    var result = Optimizer(
      optimizer.rule, learningRate: optimizer.learningRate * learningRateScale,
      schedule: makeSchedule(stepsInRun: stepsInRun, stepsPerEpoch: stepsPerEpoch),
      clipNorm: optimizer.clipNorm)
    result.l1 = optimizer.l1
    result.l2 = optimizer.l2
    result.decaysNormsAndBiases = optimizer.decayNormsAndBiases
    result.groups = optimizer.groups.map {
      ParameterGroup(
        $0.match ?? "*", learningRateFactor: $0.learningRateFactor, weightDecay: $0.weightDecay)
    }
    result.averageDecay = ema.decay
    return result
  }

  /// Goyal et al. 2017: k times the batch, k times the learning rate.
  private var learningRateScale: Double {
    optimizer.scaleWithBatch.reference.map { Double(samplesPerStep) / Double($0) } ?? 1
  }

  /// What lowers the learning rate by the validation loss; nil where the schedule does not.
  func makePlateau(_ optimizer: Optimizer) -> Plateau? {
    guard schedule.name == .plateau else { return nil }
    var settings = Plateau.Settings()
    settings.factor = schedule.factor
    settings.patience = schedule.patience
    settings.threshold = schedule.threshold
    settings.cooldown = schedule.cooldown
    settings.minimum = schedule.minimum
    return Plateau(settings, learningRate: optimizer.learningRate)
  }

  private func makeSchedule(stepsInRun: Int, stepsPerEpoch: Int) -> Schedule {
    let warmup = schedule.warmupEpochs.map { $0 * stepsPerEpoch } ?? schedule.warmupSteps
    let every = schedule.everySteps ?? schedule.everyEpochs.map { $0 * stepsPerEpoch } ?? stepsInRun
    let total = schedule.totalSteps ?? stepsInRun
    switch schedule.name {
    case .constant, .plateau: return .constant(warmup: warmup)
    case .step: return .step(every: every, factor: schedule.factor, warmup: warmup)
    case .multiStep:
      let milestones = schedule.milestoneSteps + schedule.milestoneEpochs.map { $0 * stepsPerEpoch }
      return .multiStep(milestones: milestones.sorted(), factor: schedule.factor, warmup: warmup)
    case .exponential: return .exponential(factor: schedule.factor, every: every, warmup: warmup)
    case .cosine: return .cosine(warmup: warmup, total: total, minimum: schedule.minimum)
    case .polynomial:
      return .polynomial(power: schedule.power, total: total, minimum: schedule.minimum, warmup: warmup)
    case .oneCycle:
      var cycle = OneCycle(total: total)
      cycle.rising = schedule.rising
      cycle.startDivisor = schedule.startDivisor
      cycle.finalDivisor = schedule.finalDivisor
      cycle.momentum = schedule.cycleMomentum ? schedule.lowMomentum...schedule.highMomentum : nil
      return .oneCycle(cycle)
    }
  }
}

extension OptimizerConfiguration {
  fileprivate var rule: UpdateRule {
    switch name {
    case .sgd:
      .sgd(momentum: momentum, dampening: dampening, nesterov: nesterov, weightDecay: weightDecay)
    case .adam: .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    case .adamW: .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    case .rmsprop:
      .rmsprop(
        alpha: alpha, epsilon: epsilon, momentum: momentum, centered: centered, weightDecay: weightDecay)
    case .adagrad:
      .adagrad(
        learningRateDecay: learningRateDecay, initialAccumulator: initialAccumulator, epsilon: epsilon,
        weightDecay: weightDecay)
    case .lars:
      .lars(
        momentum: momentum, nesterov: nesterov, trustCoefficient: trustCoefficient, epsilon: epsilon,
        weightDecay: weightDecay)
    case .lamb: .lamb(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    case .lion: .lion(beta1: beta1, beta2: beta2, weightDecay: weightDecay)
    }
  }
}
