import Averaging
import Checkpoints
import Datasets
import TensorCore

/// `averaging`: how the ranks' gradients are added.
public struct AveragingConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Strategy: String, Sendable, CaseIterable {
    /// The fastest of those with the same bits on any number of ranks.
    case auto
    /// Through memory that the ranks of a machine share; the same bits on any number of ranks.
    case shared
    /// By messages; the same bits on any number of ranks.
    case ordered
    /// The plain MPI call; bits depend on the number of ranks.
    case allreduce
    /// Local steps, and now and then an average of the parameters; bits depend on the number of workers.
    case periodic
  }

  public var strategy = Strategy.auto
  /// The size of the pieces in which gradients travel, in MiB (2²⁰ bytes).
  public var bucketMiB = 1.0
  /// How gradients and parameters travel between machines, and what they are therefore rounded to everywhere.
  public var wire = WireFormat.float32
  /// Of `periodic`: steps between two averagings, the outer optimizer's learning rate and momentum, and what trains by
  /// itself.
  public var everySteps = 50
  public var learningRate = 0.7
  public var momentum = 0.9
  public var workers = LocalSteps.Workers.machines

  public init() {}

  /// Whether the ranks of a machine have memory in common, for data too; otherwise they talk in messages alone.
  var sharesMemory: Bool { strategy != .ordered }

  /// What `periodic` does.
  public var localSteps: LocalSteps {
    LocalSteps(period: everySteps, learningRate: learningRate, momentum: momentum, workers: workers)
  }

  /// `bucketMiB` in bytes, a multiple of 4 and at least that.
  public var bucketBytes: Int { max(4, Int(bucketMiB * 1_048_576) & ~3) }

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    // All others give the same bits, so that one may resume what another began. (It matters where this writes; then
    // the value is already what it will be.)
    let hasBitsOfItsOwn = strategy == .allreduce || strategy == .periodic
    try reader.choice("strategy", &strategy, affectsWeights: hasBitsOfItsOwn)
    // MPI chooses its algorithm, and with it the order of additions, by the size of a message.
    try reader.number("bucketMiB", &bucketMiB, .bucketMiB, affectsWeights: strategy == .allreduce)
    // Not named where nothing is rounded: checkpoints from before there was a choice have no such line.
    let rounds = wire != .float32
    try reader.choice("wire", &wire, affectsWeights: rounds)
    try reader.require(
      wire == .float32 || strategy != .allreduce, at: "wire",
      expected: "float32 with allreduce, for MPI adds no other numbers", found: wire.rawValue,
      remedy: "Let Lockstep add them: --set averaging.strategy=auto")
    guard strategy == .periodic else {
      return try reader.exclude(
        ["everySteps", "learningRate", "momentum", "workers"], belongingTo: "averaging.strategy periodic")
    }
    try reader.integer("everySteps", &everySteps, in: 1...1_000_000)
    try reader.number("learningRate", &learningRate, .positive)
    try reader.number("momentum", &momentum, .belowOne)
    try reader.choice("workers", &workers)
  }
}

extension NumberRange {
  // The counts of a message are C ints.
  fileprivate static let bucketMiB = NumberRange(words: "above 0 and up to 1024") { $0 > 0 && $0 <= 1024 }
}

/// `validation`: how a model is tried on samples that it was not trained on.
public struct ValidationConfiguration: Sendable, Equatable, ConfigurationSection {
  /// Who computes.
  public enum Place: String, Sendable, CaseIterable {
    case allRanks = "all-ranks"
    case rankZero = "rank-0"
  }

  public var on = Place.allRanks
  /// Epochs between two validations.
  public var everyEpochs = 1
  /// The part of the training samples that is held out; 0: validate on the test samples.
  public var fraction = 0.0
  /// The equal parts of the training samples of which one is held out; nil: `fraction` says what is.
  public var folds: Int?
  /// Which of them it is, from 1.
  public var fold = 1
  /// Whether classes are dealt to the folds evenly.
  public var stratified = false
  /// Samples that pass at once, whatever the number of ranks.
  public var shard = 500

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try read(from: reader, steersTraining: false)
  }

  /// - Parameter steersTraining: whether the learning rate follows from the losses.
  fileprivate mutating func read(
    from reader: ConfigurationReader, steersTraining: Bool
  ) throws(ConfigurationError) {
    try reader.choice("on", &on, affectsWeights: false)
    try reader.integer(
      "everyEpochs", &everyEpochs, in: 1...1_000_000_000, affectsWeights: steersTraining)
    // What is held out is not trained on.
    try reader.number("fraction", &fraction, .belowOne)
    try readFold(from: reader)
    try reader.integer("shard", &shard, in: 1...1 << 24, affectsWeights: steersTraining)
  }
}

extension ValidationConfiguration {
  /// The fold that is held out, if one is.
  var wholeFold: Fold? {
    folds.map { Fold(fold - 1, of: $0, isStratified: stratified) }
  }

  fileprivate mutating func readFold(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("folds", &folds, in: 2...1 << 20)
    guard let folds else {
      return try reader.exclude(["fold", "stratified"], belongingTo: "validation.folds")
    }
    try reader.require(
      fraction == 0, at: "folds", expected: "nothing here beside validation.fraction, \(fraction)",
      found: "\(folds)", remedy: "Hold out either a fraction or a fold: --set validation.fraction=0")
    try reader.require(
      "fold", expected: "which of the \(folds) folds is held out",
      remedy:
        "Say which, from 1 to \(folds), or train on each in turn: lockstep crossvalidate CONFIG --folds \(folds)"
    )
    try reader.integer("fold", &fold, in: 1...folds)
    try reader.flag("stratified", &stratified)
  }
}

/// `validation` where it may have a say in the training.
struct WatchedValidation: ConfigurationSection {
  var validation: ValidationConfiguration
  let steersTraining: Bool

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try validation.read(from: reader, steersTraining: steersTraining)
  }
}

/// `checkpoint`: when the state is saved.
public struct CheckpointConfiguration: Sendable, Equatable, ConfigurationSection {
  /// Which weights the run ends with.
  public enum Final: String, Sendable, CaseIterable { case last, best }

  /// What says when a checkpoint is due. There is one at the end in any case.
  public enum Every: String, Sendable, CaseIterable {
    /// `everyEpochs`, `everySteps` and `everyMinutes`: whichever comes first.
    case given
    /// As often as it costs no more than `costPercent`.
    case auto
  }

  public var every = Every.given
  /// Epochs between two checkpoints.
  public var everyEpochs = 1
  /// Also after so many steps.
  public var everySteps: Int?
  /// Also when so many minutes have passed since the last.
  public var everyMinutes: Double?
  /// With `auto`: what checkpoints may cost, in percent of the run's time.
  public var costPercent = 1.0
  /// The newest so many checkpoints are kept, and the best.
  public var keep = 3
  /// Besides, for good: the first checkpoint at or after every so many steps.
  public var keepEvery: Int?
  public var final = Final.last

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.choice("every", &every, affectsWeights: false)
    switch every {
    case .given:
      try reader.integer("everyEpochs", &everyEpochs, in: 1...1_000_000_000, affectsWeights: false)
      try reader.integer("everySteps", &everySteps, in: 1...RunConfiguration.mostSteps, affectsWeights: false)
      try reader.number("everyMinutes", &everyMinutes, .positive, affectsWeights: false)
      try reader.exclude(["costPercent"], belongingTo: "checkpoint.every auto")
    case .auto:
      try reader.number("costPercent", &costPercent, .costPercent, affectsWeights: false)
      try reader.exclude(
        ["everyEpochs", "everySteps", "everyMinutes"], belongingTo: "checkpoint.every given")
    }
    // With one, nothing would be left when it turns out to be damaged.
    try reader.integer("keep", &keep, in: 2...1_000_000, affectsWeights: false)
    try reader.integer("keepEvery", &keepEvery, in: 1...RunConfiguration.mostSteps, affectsWeights: false)
    try reader.choice("final", &final, affectsWeights: false)
  }

  /// Which checkpoints stay.
  var retention: Retention { Retention(newest: keep, everySteps: keepEvery) }
}

extension NumberRange {
  fileprivate static let costPercent = NumberRange(words: "above 0 and up to 50") { $0 > 0 && $0 <= 50 }
}

/// `metrics`: what is written down along the way.
public struct MetricsConfiguration: Sendable, Equatable, ConfigurationSection {
  /// Steps between two records of the training loss.
  public var everySteps = 50

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("everySteps", &everySteps, in: 1...RunConfiguration.mostSteps, affectsWeights: false)
  }
}
