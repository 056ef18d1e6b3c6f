import TensorCore

/// `ema`: an exponential moving average of the parameters.
public struct AverageConfiguration: Sendable, Equatable, ConfigurationSection {
  /// What is left of the average after a step; nil: none is kept.
  public var decay: Double?
  /// Whether validation uses the average, and the run ends with it.
  public var evaluate = true

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.number("decay", &decay, .belowOne)
    guard decay != nil else { return try reader.exclude(["evaluate"], belongingTo: "ema.decay") }
    try reader.flag("evaluate", &evaluate)
  }
}

/// `earlyStopping`: ends a run that no longer improves.
public struct EarlyStoppingConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Figure: String, Sendable, CaseIterable { case loss, accuracy }

  /// Validations without improvement that end the run; nil: it runs to its end.
  public var patience: Int?
  /// What a figure must improve by to count.
  public var minimumImprovement = 0.0
  /// What is looked at.
  public var on = Figure.loss

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("patience", &patience, in: 1...1_000_000_000, affectsWeights: false)
    guard patience != nil else {
      return try reader.exclude(["minimumImprovement", "on"], belongingTo: "earlyStopping.patience")
    }
    try reader.number("minimumImprovement", &minimumImprovement, .notNegative, affectsWeights: false)
    try reader.choice("on", &on, affectsWeights: false)
  }
}
