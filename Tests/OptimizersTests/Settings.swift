import FixtureSupport
import Testing

import Optimizers

// The fixtures' settings as ours.

extension Schedule {
  init(_ settings: ScheduleSettings) throws {
    switch settings.kind {
    case .constant: self = .constant
    case .step: self = .step(every: try #require(settings.every), factor: try #require(settings.factor))
    case .warmupCosine:
      self = .cosine(
        warmup: try #require(settings.warmupSteps), total: try #require(settings.totalSteps),
        minimum: try #require(settings.minimum))
    case .multiStep:
      self = .multiStep(
        milestones: try #require(settings.milestones), factor: try #require(settings.factor))
    case .exponential:
      self = .exponential(factor: try #require(settings.factor), every: try #require(settings.every))
    case .polynomial:
      self = .polynomial(
        power: try #require(settings.power), total: try #require(settings.totalSteps),
        minimum: try #require(settings.minimum), warmup: try #require(settings.warmupSteps))
    case .oneCycle:
      var cycle = OneCycle(total: try #require(settings.totalSteps))
      cycle.rising = try #require(settings.rising)
      cycle.startDivisor = try #require(settings.startDivisor)
      cycle.finalDivisor = try #require(settings.finalDivisor)
      cycle.momentum = try #require(settings.lowMomentum)...(try #require(settings.highMomentum))
      self = .oneCycle(cycle)
    }
  }
}

extension UpdateRule {
  init(_ settings: OptimizerSettings) throws {
    func adam() throws -> (Double, Double, Double) {
      (try #require(settings.beta1), try #require(settings.beta2), try #require(settings.epsilon))
    }
    switch settings.kind {
    case .sgd:
      self = .sgd(
        momentum: try #require(settings.momentum), dampening: try #require(settings.dampening),
        nesterov: try #require(settings.nesterov as Bool?), weightDecay: settings.weightDecay)
    case .adam:
      let (beta1, beta2, epsilon) = try adam()
      self = .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: settings.weightDecay)
    case .adamW:
      let (beta1, beta2, epsilon) = try adam()
      self = .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: settings.weightDecay)
    case .lamb:
      let (beta1, beta2, epsilon) = try adam()
      self = .lamb(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: settings.weightDecay)
    case .lion:
      self = .lion(
        beta1: try #require(settings.beta1), beta2: try #require(settings.beta2),
        weightDecay: settings.weightDecay)
    case .rmsprop:
      self = .rmsprop(
        alpha: try #require(settings.alpha), epsilon: try #require(settings.epsilon),
        momentum: try #require(settings.momentum), centered: try #require(settings.centered as Bool?),
        weightDecay: settings.weightDecay)
    case .adagrad:
      self = .adagrad(
        learningRateDecay: try #require(settings.learningRateDecay),
        initialAccumulator: try #require(settings.initialAccumulator),
        epsilon: try #require(settings.epsilon), weightDecay: settings.weightDecay)
    case .lars:
      self = .lars(
        momentum: try #require(settings.momentum), nesterov: try #require(settings.nesterov as Bool?),
        trustCoefficient: try #require(settings.trustCoefficient), epsilon: try #require(settings.epsilon),
        weightDecay: settings.weightDecay)
    }
  }
}

extension Optimizer {
  init(_ run: OptimizersFixture.Run) throws {
    self = Optimizer(
      try UpdateRule(run.optimizer), learningRate: run.optimizer.learningRate,
      schedule: try Schedule(run.schedule), clipNorm: run.clipNorm)
    groups = (run.groups ?? []).map {
      ParameterGroup($0.match, learningRateFactor: $0.learningRateFactor, weightDecay: $0.weightDecay)
    }
    l1 = run.l1 ?? 0
    l2 = run.l2 ?? 0
    decaysNormsAndBiases = run.decaysNormsAndBiases ?? true
    averageDecay = run.averageDecay
  }
}
