import Averaging
import Datasets
import Layers
import TensorCore

/// Everything that a training run can be told: what a configuration file holds, with its defaults.
///
/// A plain value. Each section reads itself in its `read(from:)`, which is the only list of its keys: the
/// resolved YAML, the identity of the training and the check of values all come from the same code.
public struct RunConfiguration: Sendable, Equatable, ConfigurationSection {
  public var model = ModelConfiguration()
  public var data = DataConfiguration()
  public var loss = Loss.crossEntropy
  public var optimizer = OptimizerConfiguration()
  public var schedule = ScheduleConfiguration()
  public var ema = AverageConfiguration()
  public var earlyStopping = EarlyStoppingConfiguration()
  /// Samples of one optimizer step, over all ranks; of a part of it where `accumulate` is above 1.
  public var batch = 128
  /// Batches whose gradients make one optimizer step. The same as a batch so many times as large in so many
  /// times the shards, which takes no more memory.
  public var accumulate = 1
  /// What becomes of the last samples of an epoch when they do not fill a batch.
  public var lastBatch = Sampler.LastBatch.keep
  /// The parts of a batch whose gradients are computed in one pass; nil: chosen from the batch.
  public var shards: Int?
  /// How long the run is.
  public var length = RunLength.epochs(5)
  /// Seeds the initial values and the order of the samples.
  public var seed = 0
  /// Threads of each rank.
  public var threads = 1
  /// Whether every epoch goes through the samples in a new order.
  public var shuffle = true
  public var averaging = AveragingConfiguration()
  public var validation = ValidationConfiguration()
  public var checkpoint = CheckpointConfiguration()
  public var metrics = MetricsConfiguration()
  public var nonFinite = NonFiniteConfiguration()
  public var audit = AuditConfiguration()

  /// The most steps that anything may be given in: sums and products of them fit an `Int`.
  static let mostSteps = 1 << 53

  /// The defaults, on the built-in digits.
  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.section("model", &model)
    try reader.section("data", &data)
    try reader.choice("loss", &loss.kind)
    if loss.kind == .crossEntropy {
      try reader.number("labelSmoothing", &loss.labelSmoothing, .belowOne)
    } else {
      try reader.exclude(["labelSmoothing"], belongingTo: "loss crossEntropy")
    }
    if loss.kind == .huber {
      try reader.number("huberDelta", &loss.delta, .positive)
    } else {
      try reader.exclude(["huberDelta"], belongingTo: "loss huber")
    }
    try reader.section("optimizer", &optimizer)
    try reader.section("schedule", &schedule)
    try reader.require(
      schedule.minimum <= optimizer.learningRate, at: "schedule.minimum",
      expected: "at most the learning rate, \(optimizer.learningRate)", found: "\(schedule.minimum)",
      remedy: "The minimum is a learning rate, not a factor.")
    try reader.section("ema", &ema)
    try reader.section("earlyStopping", &earlyStopping)
    try reader.integer("batch", &batch, in: 1...1 << 24)
    try reader.integer("accumulate", &accumulate, in: 1...1 << 16)
    try reader.require(
      batch.multipliedReportingOverflow(by: accumulate).partialValue <= 1 << 24, at: "accumulate",
      expected: "at most \(1 << 24) samples in a step", found: "\(accumulate) batches of \(batch)",
      remedy: "Accumulate fewer batches.")
    try reader.choice("lastBatch", &lastBatch)
    try reader.integer("shards", &shards, in: 1...65_536)
    try readLength(from: reader)
    try reader.integer("seed", &seed, in: 0...Int.max)
    try reader.integer("threads", &threads, in: 1...1024)
    try reader.flag("shuffle", &shuffle)
    try reader.section("averaging", &averaging, shorthand: "strategy")
    var watched = WatchedValidation(validation: validation, steersTraining: schedule.name == .plateau)
    try reader.section("validation", &watched)
    validation = watched.validation
    try reader.require(
      validation.fraction == 0 || !data.name.isText, at: "validation.fraction",
      expected: "nothing here for text, of which data.fraction holds out the end",
      found: "\(validation.fraction)", remedy: "Set data.fraction in its place.")
    try reader.require(
      !validation.stratified || !data.name.isText, at: "validation.stratified",
      expected: "nothing here for text, whose folds are blocks one behind the other", found: "true",
      remedy: "Leave it out.")
    try reader.section("checkpoint", &checkpoint)
    try reader.section("metrics", &metrics)
    try reader.section("nonFinite", &nonFinite, shorthand: "action")
    try reader.section("audit", &audit)
    try reader.require(
      averaging.strategy != .periodic || nonFinite.action == .stop, at: "nonFinite",
      expected: "stop with averaging periodic, where only the worker concerned would skip", found: "skip",
      remedy: "Take it back with: --set nonFinite=stop")
  }

  /// `epochs` or `steps`, never both. The length is no part of the identity, so that a finished run can
  /// be prolonged.
  private mutating func readLength(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.require(
      !(reader.has("epochs") && reader.has("steps")), at: "steps",
      expected: "the length of the run either in epochs or in steps", found: "both",
      remedy: "Remove one of them, or take it back with: --set epochs=null")
    var epochs: Int?
    var steps: Int?
    switch length {
    case .epochs(let count): epochs = reader.has("steps") ? nil : count
    case .steps(let count): steps = reader.has("epochs") ? nil : count
    }
    try reader.integer("epochs", &epochs, in: 1...1_000_000_000, affectsWeights: false)
    try reader.integer("steps", &steps, in: 1...RunConfiguration.mostSteps, affectsWeights: false)
    if let epochs { length = .epochs(epochs) } else if let steps { length = .steps(steps) }
  }

  // MARK: - Writing and checking

  /// The resolved configuration, every default filled in; reads back to the same value.
  public var yaml: String { written().yaml() }

  /// The YAML of exactly those values that the weights depend on, whatever the rank and the folder. Two runs
  /// of which one may resume the other have the same text.
  ///
  /// The length of the run is not in it, so that a finished run can be prolonged; a schedule that spans
  /// the whole run must therefore have been given its length, and the shards their number, by
  /// `resolve(stepsInRun:shards:)`.
  public var trainingIdentity: String { written().yaml(.affectingWeights) }

  /// Fills in what follows from the data and the model and is not yet given.
  ///
  /// - Parameters:
  ///   - stepsInRun: the optimizer steps of the whole run.
  ///   - shards: the number of shards that was chosen for a step.
  public mutating func resolve(stepsInRun: Int, shards: Int) {
    let hasEnd = [.cosine, .polynomial, .oneCycle].contains(schedule.name)
    if hasEnd, schedule.totalSteps == nil { schedule.totalSteps = stepsInRun }
    if self.shards == nil { self.shards = shards / accumulate }
  }

  /// The samples of one optimizer step.
  public var samplesPerStep: Int { batch * accumulate }

  /// The shards of one optimizer step on so many ranks; nil where it is left to the trainer.
  func shardsPerStep(ranks: Int) -> Int? {
    if let shards { return shards * accumulate }
    guard accumulate > 1 else { return nil }
    let each = (ranks + accumulate - 1) / accumulate
    return max(Shards.suitable(forBatch: batch).count, each) * accumulate
  }

  /// Checks values that were set in a program, as those of a file are checked when it is read.
  public func validate() throws(ConfigurationError) {
    var copy = self
    try copy.read(from: ConfigurationReader(.emptySection(at: "configuration"), for: .checking))
  }

  private func written() -> ConfigurationReader {
    let reader = ConfigurationReader(.emptySection(at: "configuration"), for: .writing)
    var copy = self
    do {
      try copy.read(from: reader)
    } catch {
      preconditionFailure("writing a configuration checks nothing, yet: \(error)")
    }
    return reader
  }
}

/// How long a run is.
public enum RunLength: Sendable, Equatable {
  /// Passes over the training samples.
  case epochs(Int)
  /// Optimizer steps.
  case steps(Int)
}
