import TensorCore

/// `optimizer`: the update rule and its numbers.
public struct OptimizerConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable { case sgd, adam, adamW }

  public var name: Name
  public var learningRate: Double
  /// For `sgd`.
  public var momentum = 0.0
  /// For `sgd`.
  public var dampening = 0.0
  /// For `sgd`.
  public var nesterov = false
  /// Added to the gradient times the weight; for `adamW` taken off the weight itself.
  public var weightDecay: Double
  /// For `adam` and `adamW`.
  public var beta1 = 0.9
  /// For `adam` and `adamW`.
  public var beta2 = 0.999
  /// For `adam` and `adamW`.
  public var epsilon = 1e-8
  /// The longest that the whole gradient may be; longer ones are scaled down to it.
  public var clipNorm: Double?

  /// The defaults of a rule: a learning rate of 0.1 for `sgd`, else 0.001; weight decay 0.01 for `adamW`,
  /// else 0.
  public init(_ name: Name = .sgd) {
    self.name = name
    learningRate = name == .sgd ? 0.1 : 0.001
    weightDecay = name == .adamW ? 0.01 : 0
  }

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    let before = name
    try reader.choice("name", &name)
    if name != before { self = OptimizerConfiguration(name) }
    try reader.number("learningRate", &learningRate, .positive)
    switch name {
    case .sgd:
      try reader.number("momentum", &momentum, .belowOne)
      try reader.number("dampening", &dampening, .unit)
      try reader.flag("nesterov", &nesterov)
      try reader.require(
        !nesterov || (momentum > 0 && dampening == 0), at: "nesterov",
        expected: "momentum above 0 and dampening 0 where nesterov is true",
        found: "momentum \(momentum), dampening \(dampening)",
        remedy: "Set optimizer.momentum, for example to 0.9, or nesterov to false.")
      try reader.exclude(["beta1", "beta2", "epsilon"], belongingTo: "optimizer.name adam and adamW")
    case .adam, .adamW:
      try reader.number("beta1", &beta1, .belowOne)
      try reader.number("beta2", &beta2, .belowOne)
      try reader.number("epsilon", &epsilon, .positive)
      try reader.exclude(["momentum", "dampening", "nesterov"], belongingTo: "optimizer.name sgd")
    }
    try reader.number("weightDecay", &weightDecay, .notNegative)
    try reader.number("clipNorm", &clipNorm, .positive)
  }
}

/// `schedule`: how the learning rate changes with the steps.
public struct ScheduleConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable { case constant, step, cosine }

  public var name = Name.constant
  /// Steps in which the learning rate rises linearly from nothing.
  public var warmupSteps = 0
  /// Steps between two changes; for `step`, which needs it.
  public var everySteps: Int?
  /// What the learning rate is multiplied by; for `step`.
  public var factor = 0.1
  /// Steps until the minimum; for `cosine`. nil: those of the whole run.
  public var totalSteps: Int?
  /// The learning rate at the end; for `cosine`.
  public var minimum = 0.0

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.choice("name", &name)
    try reader.integer("warmupSteps", &warmupSteps, in: 0...Int.max)
    if name == .step {
      try reader.integer("everySteps", &everySteps, in: 1...Int.max)
      try reader.require(
        everySteps != nil, at: "everySteps", expected: "the steps between two changes of the learning rate",
        found: "no schedule.everySteps", remedy: "For example: --set schedule.everySteps=1000")
      try reader.number("factor", &factor, .positiveUpToOne)
    } else {
      try reader.exclude(["everySteps", "factor"], belongingTo: "schedule.name step")
    }
    if name == .cosine {
      try reader.integer("totalSteps", &totalSteps, in: 1...Int.max)
      try reader.require(
        totalSteps.map { $0 > warmupSteps } ?? true, at: "totalSteps",
        expected: "more steps than the \(warmupSteps) of the warm-up", found: "\(totalSteps ?? 0)",
        remedy: "Warm-up steps count among the total steps.")
      try reader.number("minimum", &minimum, .notNegative)
    } else {
      try reader.exclude(["totalSteps", "minimum"], belongingTo: "schedule.name cosine")
    }
  }
}
