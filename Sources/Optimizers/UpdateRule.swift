import TensorCore

/// How gradients change parameters. g is the mean gradient, w the parameter, η the learning rate, λ the
/// weight decay, t the number of the update, from 1. As PyTorch computes them.
public enum UpdateRule: Sendable, Equatable {
  /// g ← g + λw; v ← μv + (1 − dampening)g, undampened the first time; w ← w − ηv, or w ← w − η(g + μv)
  /// with Nesterov's look-ahead.
  case sgd(momentum: Double = 0, dampening: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
  /// g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂ / (√v̂ + ε), where
  /// m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ). Kingma and Ba 2015.
  case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0)
  /// w ← w − ηλw, then Adam without λ. Loshchilov and Hutter 2019.
  case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01)

  /// The vectors of state that the rule keeps, each as long as the parameters, by their PyTorch names.
  public var stateNames: [String] {
    switch self {
    case .sgd(let momentum, _, _, _): momentum == 0 ? [] : ["momentum_buffer"]
    case .adam, .adamW: ["exp_avg", "exp_avg_sq"]
    }
  }
}

/// An update rule with its schedule and clipping.
public struct Optimizer: Sendable, Equatable {
  public var rule: UpdateRule
  public var learningRate: Double
  public var schedule: Schedule
  /// The largest norm that the whole gradient may have; longer ones are shortened to it. `nil`: no limit.
  public var clipNorm: Double?

  public init(
    _ rule: UpdateRule, learningRate: Double, schedule: Schedule = .constant, clipNorm: Double? = nil
  ) {
    self.rule = rule
    self.learningRate = learningRate
    self.schedule = schedule
    self.clipNorm = clipNorm
  }

  public static func sgd(
    learningRate: Double, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0,
    schedule: Schedule = .constant, clipNorm: Double? = nil
  ) -> Optimizer {
    Optimizer(
      .sgd(momentum: momentum, nesterov: nesterov, weightDecay: weightDecay), learningRate: learningRate,
      schedule: schedule, clipNorm: clipNorm)
  }

  public static func adam(
    learningRate: Double, schedule: Schedule = .constant, clipNorm: Double? = nil
  ) -> Optimizer {
    Optimizer(.adam(), learningRate: learningRate, schedule: schedule, clipNorm: clipNorm)
  }

  public static func adamW(
    learningRate: Double, weightDecay: Double = 0.01, schedule: Schedule = .constant, clipNorm: Double? = nil
  ) -> Optimizer {
    Optimizer(
      .adamW(weightDecay: weightDecay), learningRate: learningRate, schedule: schedule, clipNorm: clipNorm)
  }
}
