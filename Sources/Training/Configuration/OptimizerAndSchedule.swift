import TensorCore

/// `optimizer`: the update rule and its numbers.
public struct OptimizerConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    case sgd, adam, adamW, rmsprop, adagrad, lars, lamb, lion
  }

  public var name: Name
  public var learningRate: Double
  /// Multiplies the learning rate by batch/reference.
  public var scaleWithBatch = BatchScaling()
  /// For `sgd`, `rmsprop` and `lars`.
  public var momentum: Double
  /// For `sgd`.
  public var dampening = 0.0
  /// For `sgd` and `lars`.
  public var nesterov = false
  /// For `adam`, `adamW`, `lamb` and `lion`.
  public var beta1 = 0.9
  /// For `adam`, `adamW`, `lamb` and `lion`.
  public var beta2: Double
  /// For `rmsprop`.
  public var alpha = 0.99
  /// For `rmsprop`.
  public var centered = false
  /// For `adagrad`.
  public var learningRateDecay = 0.0
  /// For `adagrad`.
  public var initialAccumulator = 0.0
  /// For `lars`.
  public var trustCoefficient = 0.001
  /// For all but `sgd` and `lion`.
  public var epsilon: Double
  /// Added to the gradient times the weight; for `adamW` and `lion` taken off the weight itself, for `lamb`
  /// added to the step.
  public var weightDecay: Double
  /// Whether biases and the gains of normalizations are decayed, penalized and adapted as the rest.
  public var decayNormsAndBiases: Bool
  /// Adds l1·Σ|w| to the loss that is minimized.
  public var l1 = 0.0
  /// Adds l2/2·Σw² to the loss that is minimized; for `adamW`, `lamb` and `lion`, whose weight decay is
  /// something else.
  public var l2 = 0.0
  /// The longest that the whole gradient may be; longer ones are scaled down to it.
  public var clipNorm: Double?
  /// What differs for some parameters; the first that matches counts.
  public var groups: [GroupConfiguration] = []

  /// The defaults of a rule: PyTorch's where it has it, but a learning rate of 0.1 for `sgd`; the papers'
  /// otherwise.
  public init(_ name: Name = .sgd) {
    self.name = name
    learningRate =
      switch name {
      case .sgd: 0.1
      case .lars: 1
      case .rmsprop, .adagrad: 0.01
      case .lion: 0.0001
      case .adam, .adamW, .lamb: 0.001
      }
    momentum = name == .lars ? 0.9 : 0
    beta2 = name == .lion ? 0.99 : 0.999
    epsilon =
      switch name {
      case .adagrad: 1e-10
      case .lamb: 1e-6
      default: 1e-8
      }
    weightDecay = name == .adamW || name == .lamb ? 0.01 : 0
    decayNormsAndBiases = name != .lars && name != .lamb
  }

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    let before = name
    try reader.choice("name", &name)
    if name != before { self = OptimizerConfiguration(name) }
    try reader.number("learningRate", &learningRate, .positive)
    try reader.section("scaleWithBatch", &scaleWithBatch)
    try number("momentum", &momentum, .belowOne, of: [.sgd, .rmsprop, .lars], reader)
    try number("dampening", &dampening, .unit, of: [.sgd], reader)
    try flag("nesterov", &nesterov, of: [.sgd, .lars], reader)
    try reader.require(
      !nesterov || (momentum > 0 && dampening == 0), at: "nesterov",
      expected: "momentum above 0 and dampening 0 where nesterov is true",
      found: "momentum \(momentum), dampening \(dampening)",
      remedy: "Set optimizer.momentum, for example to 0.9, or nesterov to false.")
    try number("beta1", &beta1, .belowOne, of: [.adam, .adamW, .lamb, .lion], reader)
    try number("beta2", &beta2, .belowOne, of: [.adam, .adamW, .lamb, .lion], reader)
    try number("alpha", &alpha, .belowOne, of: [.rmsprop], reader)
    try flag("centered", &centered, of: [.rmsprop], reader)
    try number("learningRateDecay", &learningRateDecay, .notNegative, of: [.adagrad], reader)
    try number("initialAccumulator", &initialAccumulator, .notNegative, of: [.adagrad], reader)
    try number("trustCoefficient", &trustCoefficient, .positive, of: [.lars], reader)
    try number(
      "epsilon", &epsilon, .positive, of: [.adam, .adamW, .rmsprop, .adagrad, .lars, .lamb], reader)
    try reader.number("weightDecay", &weightDecay, .notNegative)
    try reader.flag("decayNormsAndBiases", &decayNormsAndBiases)
    try reader.number("l1", &l1, .notNegative)
    // With the others weightDecay is this.
    try number("l2", &l2, .notNegative, of: [.adamW, .lamb, .lion], reader)
    try reader.number("clipNorm", &clipNorm, .positive)
    try reader.sections("groups", &groups, each: GroupConfiguration())
  }

  private func number(
    _ key: String, _ value: inout Double, _ range: NumberRange, of names: [Name],
    _ reader: ConfigurationReader
  ) throws(ConfigurationError) {
    if names.contains(name) { return try reader.number(key, &value, range) }
    try reader.exclude([key], belongingTo: Self.owners(names))
  }

  private func flag(
    _ key: String, _ value: inout Bool, of names: [Name], _ reader: ConfigurationReader
  ) throws(ConfigurationError) {
    if names.contains(name) { return try reader.flag(key, &value) }
    try reader.exclude([key], belongingTo: Self.owners(names))
  }

  private static func owners(_ names: [Name]) -> String {
    "optimizer.name " + names.map(\.rawValue).joined(separator: ", ")
  }
}

/// `optimizer.scaleWithBatch`: the learning rate is that of another batch, and grows with the batch.
public struct BatchScaling: Sendable, Equatable, ConfigurationSection {
  /// The batch that the learning rate is meant for; nil: no scaling.
  public var reference: Int?

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("reference", &reference, in: 1...1 << 24)
  }
}

/// One of `optimizer.groups`: parameters, told by their names, that are trained differently.
public struct GroupConfiguration: Sendable, Equatable, ConfigurationSection {
  /// A parameter's name, in which `*` stands for any characters.
  public var match: String?
  /// With 0 the parameters do not change at all.
  public var learningRateFactor = 1.0
  /// nil: that of the rest.
  public var weightDecay: Double?

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.text("match", &match)
    try reader.require(
      match != nil, at: "match", expected: "names of parameters, in which * stands for any characters",
      found: "no match", remedy: "For example: {match: \"head.*\", learningRateFactor: 10}")
    try reader.number("learningRateFactor", &learningRateFactor, .notNegative)
    try reader.number("weightDecay", &weightDecay, .notNegative)
  }
}
