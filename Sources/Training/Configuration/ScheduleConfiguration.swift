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
    try readTotal(from: reader)
    try only([.step, .multiStep, .exponential, .plateau], ["factor"], reader) {
      schedule throws(ConfigurationError) in
      try reader.number("factor", &schedule.factor, .positiveUpToOne)
    }
    try only([.polynomial], ["power"], reader) { schedule throws(ConfigurationError) in
      try reader.number("power", &schedule.power, .positive)
    }
    try only([.cosine, .polynomial, .plateau], ["minimum"], reader) { schedule throws(ConfigurationError) in
      try reader.number("minimum", &schedule.minimum, .notNegative)
    }
    try only([.oneCycle], ["rising", "startDivisor", "finalDivisor", "cycleMomentum"], reader) {
      schedule throws(ConfigurationError) in
      try reader.number("rising", &schedule.rising, .unit)
      try reader.number("startDivisor", &schedule.startDivisor, .positive)
      try reader.number("finalDivisor", &schedule.finalDivisor, .positive)
      try reader.flag("cycleMomentum", &schedule.cycleMomentum)
    }
    try readMomentum(from: reader)
    try only([.plateau], ["patience", "threshold", "cooldown"], reader) {
      schedule throws(ConfigurationError) in
      try reader.integer("patience", &schedule.patience, in: 0...1_000_000_000)
      try reader.number("threshold", &schedule.threshold, .belowOne)
      try reader.integer("cooldown", &schedule.cooldown, in: 0...1_000_000_000)
    }
  }

  /// Reads keys that belong to some schedules only, or refuses them.
  private mutating func only(
    _ names: [Name], _ keys: [String], _ reader: ConfigurationReader,
    read: (inout ScheduleConfiguration) throws(ConfigurationError) -> Void
  ) throws(ConfigurationError) {
    if names.contains(name) { return try read(&self) }
    let owners = names.map(\.rawValue).joined(separator: ", ")
    try reader.exclude(keys, belongingTo: "schedule.name \(owners)")
  }

  private mutating func readTimes(from reader: ConfigurationReader) throws(ConfigurationError) {
    try only(Name.allCases.filter { $0 != .oneCycle }, ["warmupSteps", "warmupEpochs"], reader) {
      schedule throws(ConfigurationError) in
      try reader.integer("warmupSteps", &schedule.warmupSteps, in: 0...Int.max)
      try reader.integer("warmupEpochs", &schedule.warmupEpochs, in: 1...1_000_000_000)
      try reader.require(
        schedule.warmupSteps == 0 || schedule.warmupEpochs == nil, at: "warmupEpochs",
        expected: "the warm-up either in epochs or in steps", found: "both", remedy: "Remove one of them.")
    }
    try only([.step, .exponential], ["everySteps", "everyEpochs"], reader) {
      schedule throws(ConfigurationError) in
      try reader.integer("everySteps", &schedule.everySteps, in: 1...Int.max)
      try reader.integer("everyEpochs", &schedule.everyEpochs, in: 1...1_000_000_000)
      try reader.require(
        (schedule.everySteps == nil) != (schedule.everyEpochs == nil), at: "everySteps",
        expected: "the steps between two changes of the learning rate, or everyEpochs",
        found: schedule.everySteps == nil ? "no schedule.everySteps" : "both",
        remedy: "For example: --set schedule.everySteps=1000")
    }
    try only([.multiStep], ["milestoneSteps", "milestoneEpochs"], reader) {
      schedule throws(ConfigurationError) in
      try reader.integers("milestoneSteps", &schedule.milestoneSteps, in: 1...Int.max, count: 0...1000)
      try reader.integers(
        "milestoneEpochs", &schedule.milestoneEpochs, in: 1...1_000_000_000, count: 0...1000)
      try reader.require(
        schedule.milestoneSteps.isEmpty != schedule.milestoneEpochs.isEmpty, at: "milestoneSteps",
        expected: "the steps after which the learning rate changes, or milestoneEpochs",
        found: schedule.milestoneSteps.isEmpty ? "none" : "both",
        remedy: "For example: --set schedule.milestoneEpochs=[30,60]")
    }
  }

  private mutating func readTotal(from reader: ConfigurationReader) throws(ConfigurationError) {
    try only([.cosine, .polynomial, .oneCycle], ["totalSteps"], reader) {
      schedule throws(ConfigurationError) in
      try reader.integer("totalSteps", &schedule.totalSteps, in: 1...Int.max)
      try reader.require(
        schedule.totalSteps.map { $0 > schedule.warmupSteps } ?? true, at: "totalSteps",
        expected: "more steps than the \(schedule.warmupSteps) of the warm-up",
        found: "\(schedule.totalSteps ?? 0)", remedy: "Warm-up steps count among the total steps.")
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
