/// An update rule with its schedule, its penalties and clipping, and what differs between parameters.
public struct Optimizer: Sendable, Equatable {
  public var rule: UpdateRule
  public var learningRate: Double
  public var schedule: Schedule
  /// The largest norm that the whole gradient may have; longer ones are shortened to it. `nil`: no limit.
  public var clipNorm: Double?
  /// Adds l1·Σ|w| to the loss that is minimized: l1·sign(w) to the gradient, before clipping.
  public var l1 = 0.0
  /// Adds l2/2·Σw² to the loss that is minimized: l2·w to the gradient, before clipping. For rules whose
  /// weight decay is something else; with the others it does what weight decay does.
  public var l2 = 0.0
  /// Whether parameters of one dimension or none (biases, gains of normalizations) are treated as the
  /// others. If not, they get no weight decay and no penalties, and LARS and LAMB leave their step as it is.
  public var decaysNormsAndBiases = true
  /// What differs for some parameters; of several groups that match, the first counts.
  public var groups: [ParameterGroup] = []
  /// Keeps an exponential moving average of the parameters: average ← d·average + (1 − d)·w after every
  /// step, beginning with the parameters after the first. nil: none is kept.
  public var averageDecay: Double?

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
