import TensorCore

/// `nonFinite`: what becomes of a step whose loss or gradients are infinite or not a number.
public struct NonFiniteConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Action: String, Sendable, CaseIterable {
    /// The run ends with an error that names rank and parameter.
    case stop
    /// The weights stay as they are, and training goes on with the next batch.
    case skip
  }

  public var action = Action.stop
  /// Steps in a row that are skipped, at most; the next one ends the run.
  public var limit = 10

  public init() {}

  /// No part of the identity: a run that was stopped may be resumed with `skip`.
  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.choice("action", &action, affectsWeights: false)
    try reader.integer("limit", &limit, in: 1...1_000_000, affectsWeights: false)
  }
}

/// `audit`: when the copies that ranks hold of the weights are compared.
public struct AuditConfiguration: Sendable, Equatable, ConfigurationSection {
  /// Steps between two audits; 0: never. nil: before every checkpoint.
  public var everySteps: Int?

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("everySteps", &everySteps, in: 0...Int.max, affectsWeights: false)
  }
}
