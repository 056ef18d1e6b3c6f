import TensorCore

/// `schedule`: how the learning rate changes with the steps.
public struct ScheduleConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    case constant, step, multiStep, exponential, cosine, polynomial, oneCycle, plateau
  }

  public var name = Name.constant
  /// Steps in which the learning rate rises linearly from nothing; for all but `oneCycle`.
  public var warmupSteps = 0
  /// The same in epochs; in place of `warmupSteps`.
  public var warmupEpochs: Int?
  /// Steps between two changes for `step`, those that the factor takes for `exponential`.
  public var everySteps: Int?
  /// The same in epochs; in place of `everySteps`.
  public var everyEpochs: Int?
  /// When the learning rate changes, in steps; for `multiStep`.
  public var milestoneSteps: [Int] = []
  /// The same in epochs; in place of `milestoneSteps`.
  public var milestoneEpochs: [Int] = []
  /// What the learning rate is multiplied by; for `step`, `multiStep`, `exponential` and `plateau`.
  public var factor = 0.1
  /// Steps until the minimum; for `cosine`, `polynomial` and `oneCycle`. nil: those of the whole run.
  public var totalSteps: Int?
  /// The exponent, for `polynomial`.
  public var power = 1.0
  /// The learning rate at the end for `cosine` and `polynomial`, the least for `plateau`.
  public var minimum = 0.0
  /// The part of the steps in which the learning rate rises; for `oneCycle`.
  public var rising = 0.3
  /// The learning rate at the start is the highest divided by it; for `oneCycle`.
  public var startDivisor = 25.0
  /// That at the end is that at the start divided by it; for `oneCycle`.
  public var finalDivisor = 1e4
  /// Whether momentum, or beta1, goes down and up while the learning rate goes up and down; for `oneCycle`.
  public var cycleMomentum = true
  public var lowMomentum = 0.85
  public var highMomentum = 0.95
  /// Validations without improvement before the learning rate falls; for `plateau`.
  public var patience = 10
  /// The relative fall of the loss that counts as improvement; for `plateau`.
  public var threshold = 1e-4
  /// Validations after a fall in which none counts as bad; for `plateau`.
  public var cooldown = 0

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.choice("name", &name)
    try readTimes(from: reader)
    if try has(["totalSteps"], in: [.cosine, .polynomial, .oneCycle], reader) {
      try reader.integer("totalSteps", &totalSteps, in: 1...RunConfiguration.mostSteps)
      try reader.require(
        totalSteps.map { $0 > warmupSteps } ?? true, at: "totalSteps",
        expected: "more steps than the \(warmupSteps) of the warm-up",
        found: "\(totalSteps ?? 0)", remedy: "Warm-up steps count among the total steps.")
    }
    if try has(["factor"], in: [.step, .multiStep, .exponential, .plateau], reader) {
      try reader.number("factor", &factor, .positiveUpToOne)
    }
    if try has(["power"], in: [.polynomial], reader) { try reader.number("power", &power, .positive) }
    if try has(["minimum"], in: [.cosine, .polynomial, .plateau], reader) {
      try reader.number("minimum", &minimum, .notNegative)
    }
    if try has(["rising", "startDivisor", "finalDivisor", "cycleMomentum"], in: [.oneCycle], reader) {
      try reader.number("rising", &rising, .unit)
      try reader.number("startDivisor", &startDivisor, .positive)
      try reader.number("finalDivisor", &finalDivisor, .positive)
      try reader.flag("cycleMomentum", &cycleMomentum)
    }
    try readMomentum(from: reader)
    if try has(["patience", "threshold", "cooldown"], in: [.plateau], reader) {
      try reader.integer("patience", &patience, in: 0...1_000_000_000)
      try reader.number("threshold", &threshold, .belowOne)
      try reader.integer("cooldown", &cooldown, in: 0...1_000_000_000)
    }
  }

  /// Whether this schedule has the keys; those of others are refused.
  private func has(
    _ keys: [String], in names: [Name], _ reader: ConfigurationReader
  ) throws(ConfigurationError) -> Bool {
    if names.contains(name) { return true }
    let owners = names.map(\.rawValue).joined(separator: ", ")
    try reader.exclude(keys, belongingTo: "schedule.name \(owners)")
    return false
  }

  private mutating func readTimes(from reader: ConfigurationReader) throws(ConfigurationError) {
    if try has(["warmupSteps", "warmupEpochs"], in: Name.allCases.filter { $0 != .oneCycle }, reader) {
      try reader.integer("warmupSteps", &warmupSteps, in: 0...RunConfiguration.mostSteps)
      try reader.integer("warmupEpochs", &warmupEpochs, in: 1...1_000_000_000)
      try reader.require(
        warmupSteps == 0 || warmupEpochs == nil, at: "warmupEpochs",
        expected: "the warm-up either in epochs or in steps", found: "both", remedy: "Remove one of them.")
    }
    if try has(["everySteps", "everyEpochs"], in: [.step, .exponential], reader) {
      try reader.integer("everySteps", &everySteps, in: 1...RunConfiguration.mostSteps)
      try reader.integer("everyEpochs", &everyEpochs, in: 1...1_000_000_000)
      try reader.require(
        (everySteps == nil) != (everyEpochs == nil), at: "everySteps",
        expected: "the steps between two changes of the learning rate, or everyEpochs",
        found: everySteps == nil ? "no schedule.everySteps" : "both",
        remedy: "For example: --set schedule.everySteps=1000")
    }
    if try has(["milestoneSteps", "milestoneEpochs"], in: [.multiStep], reader) {
      try reader.integers(
        "milestoneSteps", &milestoneSteps, in: 1...RunConfiguration.mostSteps, count: 0...1000)
      try reader.integers("milestoneEpochs", &milestoneEpochs, in: 1...1_000_000_000, count: 0...1000)
      try reader.require(
        milestoneSteps.isEmpty != milestoneEpochs.isEmpty, at: "milestoneSteps",
        expected: "the steps after which the learning rate changes, or milestoneEpochs",
        found: milestoneSteps.isEmpty ? "none" : "both",
        remedy: "For example: --set schedule.milestoneEpochs=[30,60]")
    }
  }

  private mutating func readMomentum(from reader: ConfigurationReader) throws(ConfigurationError) {
    guard name == .oneCycle, cycleMomentum else {
      return try reader.exclude(
        ["lowMomentum", "highMomentum"], belongingTo: "schedule.name oneCycle with cycleMomentum")
    }
    try reader.number("lowMomentum", &lowMomentum, .belowOne)
    try reader.number("highMomentum", &highMomentum, .belowOne)
    try reader.require(
      lowMomentum <= highMomentum, at: "lowMomentum", expected: "at most highMomentum, \(highMomentum)",
      found: "\(lowMomentum)", remedy: "Exchange the two.")
  }
}
