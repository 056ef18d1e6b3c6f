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
    }
  }
}
