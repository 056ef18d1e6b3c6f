import Autodiff
import Averaging
import Checkpoints
import Datasets
import Foundation
import Layers
import MessagePassing
import Optimizers
import TensorCore

/// A training run in a folder, as the command makes it: configuration, data, checkpoints, metrics, progress,
/// and the summary at its end. Every rank makes one; rank 0 alone writes and speaks.
public final class TrainingRun {
  public struct Options: Sendable {
    /// The run's folder; nil: a new one below `runs/`.
    public var folder: String?
    public var resume = false
    public var allowChangedData = false
    /// What the run is called when it gets a folder of its own.
    public var name = "run"
    /// Seconds from the start of the process in which the run is to be saved and out; nil: as long as it takes.
    public var timeLimit: Double?
    /// Seconds without progress of some rank after which the job is ended; 0: nobody watches.
    public var hangTimeout = 0.0
    /// Whether it only writes its log and leaves the terminal to others.
    package var isQuiet = false
    /// Whether something else wants the run to be saved and to end; asked on rank 0 before every step.
    package var shouldStop: @Sendable () -> Bool = { false }

    public init() {}
  }

  /// How a run ended.
  public enum Ending: Sendable, Equatable {
    case finished
    /// By a signal, saved, to be resumed.
    case stopped
  }

  let configuration: RunConfiguration
  let data: RunData
  let trainer: Trainer
  let identity: RunIdentity
  let communicator: any Communicator
  let lastStep: Int
  let stepsPerEpoch: Int
  let folder: RunFolder?
  let reporter: RunReporter
  let checkpoints: TrainingCheckpoints
  /// On rank 0.
  var timeLimit: TimeLimit?
  let hangTimeout: Double
  let shouldStop: @Sendable () -> Bool
  let isQuiet: Bool
  /// What came of it, once it has finished.
  package internal(set) var outcome: MemberOutcome?
  var auditedStep: Int?
  /// The steps at whose ends all ranks have last known the same, and will again.
  var (lastMeeting, nextMeeting) = (0, 1)
  /// When waits were gathered last.
  var timesBefore: RankTimes?
  var best: RunState.Best?
  var plateau: Plateau?
  var earlyStopping = EarlyStopping()
  /// The step whose state is saved, or being saved.
  var savedStep: Int?
  var failedSaves = 0
  /// On rank 0: the last save of which the outcome is known.
  var reportedSave: Int?
  var interval: CheckpointInterval
  var start = StartTimes(joining: ProcessAge.seconds ?? 0)

  /// What the model's file says of it, less the step.
  lazy var modelDescription = ModelFile.Description(
    configuration: configuration, normalization: data.normalization,
    classNames: data.tokenizer == nil ? data.training.classNames : [], step: 0, form: SampleForm(data),
    tokenizer: data.tokenizer?.serialized)

  /// Sets the run up on all ranks together. Whatever is wrong on any rank, all throw, alike.
  public convenience init(_ configuration: RunConfiguration, options: Options, in world: World) throws {
    try self.init(configuration, options: options, in: world, dataFrom: nil)
  }

  /// - Parameter shelf: with data that other parts of the world have read.
  init(
    _ configuration: RunConfiguration, options: Options, in world: World, dataFrom shelf: DataShelf?
  ) throws {
    let communicator = world.communicator
    self.communicator = communicator
    hangTimeout = options.hangTimeout
    shouldStop = options.shouldStop
    isQuiet = options.isQuiet
    if let seconds = options.timeLimit, communicator.rank == 0 {
      timeLimit = TimeLimit(seconds: seconds, age: ProcessAge.seconds ?? 0, now: MonotonicTime.seconds)
    }
    let ranks = communicator.size
    let shards = try together(communicator) {
      try TrainerDraft.shards(
        configuration.shardsPerStep(ranks: ranks), batch: configuration.samplesPerStep, ranks: ranks)
    }
    let begin = MonotonicTime.seconds
    let data = try RunData.read(configuration, over: communicator, from: shelf)
    start.data = MonotonicTime.seconds - begin
    self.data = data
    let parts = try together(communicator) {
      try Self.prepare(configuration, data: data, shards: shards, ranks: ranks)
    }
    let resolved = parts.configuration
    (self.configuration, lastStep) = (resolved, parts.lastStep)
    let trainer = try Trainer(
      parts.draft, averaging: resolved.averagingStrategy, wire: resolved.averaging.wire,
      evaluationShard: resolved.validation.shard,
      evaluatesOnRankZero: resolved.validation.on == .rankZero, threads: resolved.threads, over: communicator)
    self.trainer = trainer
    if resolved.nonFinite.action == .skip, trainer.periodic == nil {
      trainer.skippableSteps = resolved.nonFinite.limit
    }
    plateau = resolved.makePlateau(trainer.optimizer)
    stepsPerEpoch = trainer.sampler.batchesPerEpoch
    interval = CheckpointInterval(
      resolved.checkpoint, stepsPerEpoch: stepsPerEpoch, now: MonotonicTime.seconds)
    let identity = try together(communicator) {
      try RunIdentity(resolved, trainer: trainer, data: data)
    }
    self.identity = identity
    try identity.requireEqual(over: communicator)

    let folder = try takingUp {
      try together(communicator) {
        communicator.rank > 0
          ? nil
          : try RunFolder(
            options.folder, name: options.name, resume: options.resume,
            retention: resolved.checkpoint.retention)
      }
    }
    self.folder = folder
    reporter = RunReporter(folder, isSilent: communicator.rank > 0 || options.isQuiet)
    checkpoints = TrainingCheckpoints(trainer: trainer, store: folder?.store)

    let state = try takingUp {
      try together(communicator) { () throws -> (state: RunState, warnings: [String])? in
        guard let newest = folder?.newest else { return nil }
        let state = try RunState(newest.bytes(of: RunState.name), at: "\(newest.folder)/\(RunState.name)")
        guard state.step == newest.step else {
          throw CheckpointError(
            at: "\(newest.folder)/\(RunState.name)", expected: "the state after step \(newest.step)",
            found: "that after step \(state.step)",
            remedy: "Resume from another checkpoint: move this one away.")
        }
        let warnings = try identity.check(
          state, path: newest.folder, allowChangedData: options.allowChangedData)
        try requireWorkers(of: state)
        try checkpoints.check(newest)
        return (state, warnings)
      }
    }
    try takingUp { try resume(from: state?.state, warnings: state?.warnings ?? []) }
    try together(communicator) {
      guard let folder else { return }
      try? FileManager.default.removeItem(atPath: folder.modelPath)
      try atomicWrite(Array(resolved.yaml.utf8), to: folder.configurationPath)
      try reporter.openMetrics(afterStep: trainer.step)
    }
    let places = try RankPlace.gather(threads: resolved.threads, over: communicator)
    announce(wanted: configuration, PlacementFault.find(places, on: communicator.machines))
    try tellLeftovers()
  }

  /// All ranks call it: each may have removed something.
  private func tellLeftovers() throws {
    guard let own = (communicator as? MPICommunicator)?.leftovers else { return }
    var sums = [Int64(own.folders), Int64(own.bytes)]
    try sums.withUnsafeMutableBufferPointer { try communicator.allreduce($0, .sum) }
    guard sums[0] > 0 else { return }
    reporter.message(
      "removed from shared memory what \(sums[0]) killed \(sums[0] == 1 ? "process" : "processes") had left: "
        + NumberText.bytes(Double(sums[1])))
  }

  private struct Parts {
    let configuration: RunConfiguration
    let draft: TrainerDraft
    let lastStep: Int
  }

  private static func prepare(
    _ configuration: RunConfiguration, data: RunData, shards: Shards, ranks: Int
  ) throws -> Parts {
    try configuration.requireValidation(data)
    let sampler = try Sampler(
      seed: UInt64(configuration.seed), count: data.training.count, batch: configuration.samplesPerStep,
      lastBatch: configuration.lastBatch)
    let lastStep =
      switch configuration.length {
      case .epochs(let epochs): epochs * sampler.batchesPerEpoch
      case .steps(let steps): steps
      }
    var resolved = configuration
    resolved.resolve(stepsInRun: lastStep, shards: shards.count)
    let form = SampleForm(data)
    try resolved.requireWarmup(stepsPerEpoch: sampler.batchesPerEpoch)
    do {
      let draft = try TrainerDraft(
        resolved.makeModel(for: form), loss: resolved.loss,
        optimizer: resolved.makeOptimizer(
          stepsInRun: lastStep, stepsPerEpoch: sampler.batchesPerEpoch),
        data: data.training, batch: resolved.samplesPerStep, shards: shards.count,
        target: resolved.trainingTarget(of: data), seed: UInt64(resolved.seed),
        isShuffled: resolved.shuffle, lastBatch: resolved.lastBatch, ranks: ranks)
      return Parts(configuration: resolved, draft: draft, lastStep: lastStep)
    } catch let error as GraphError {
      throw resolved.named(error)
    }
  }

  /// Refuses a checkpoint of other workers: each has an optimizer's state of its own.
  private func requireWorkers(of state: RunState) throws(TrainingError) {
    guard state.workers != trainer.periodic?.workers else { return }
    func text(_ workers: [Int]?) -> String {
      "\(workers?.count ?? 0) of \((workers ?? []).map { "\($0)" }.joined(separator: ", ")) shards"
    }
    let unit = configuration.averaging.workers == .machines ? "machines" : "ranks"
    throw TrainingError(
      at: "averaging periodic", expected: "the workers that the run began with, \(text(state.workers))",
      found: text(trainer.periodic?.workers),
      remedy:
        "Go on with \(state.workers?.count ?? 1) \(unit) of equally many ranks each, as before; or begin a new run "
        + "from the model: the averaging is no part of it.")
  }

  /// Rank 0 has read `state`; everybody goes on from it.
  private func resume(from state: RunState?, warnings: [String]) throws {
    var encoded = try state?.encoded() ?? []
    encoded = try communicator.allgather(bytes: encoded)[0]
    guard !encoded.isEmpty else {
      if let leftovers = folder?.store.removedLeftovers, !leftovers.isEmpty { reporter.leftovers(leftovers) }
      return
    }
    let state = try RunState(encoded, at: "rank 0's \(RunState.name)")
    try checkpoints.load(folder?.newest)
    trainer.step = state.step
    trainer.epochSums = state.epochSums
    trainer.intervalSums = state.intervalSums
    trainer.skipped = state.skipped ?? SkippedSteps()
    best = state.best
    if let saved = state.plateau, plateau != nil { follow(saved) }
    earlyStopping = state.earlyStopping ?? EarlyStopping()
    savedStep = state.step
    if let folder {
      for rejected in folder.rejected {
        reporter.warning("checkpoint step-\(rejected.step) is not used: \(rejected.reason)")
      }
      reporter.leftovers(folder.store.removedLeftovers)
    }
    for warning in warnings { reporter.warning(warning) }
    if configuration.averaging.strategy == .allreduce, state.ranks != communicator.size {
      reporter.warning(
        "bits may change: averaging allreduce adds in another order on \(communicator.size) ranks than on \(state.ranks)"
      )
    }
    reporter.message("resumed from step \(state.step) of \(lastStep)")
  }

  private func announce(wanted: RunConfiguration, _ faults: [PlacementFault]) {
    guard let folder else { return }
    let ranks = communicator.size
    let count = trainer.objective.layout.parameterCount
    reporter.message(
      "\(configuration.model.name.rawValue), \(count) parameters, \(data.training.count) samples, batch \(configuration.samplesPerStep) in "
        + "\(trainer.shards.count) shards, \(ranks) \(ranks == 1 ? "rank" : "ranks"), results in \(folder.path)"
    )
    let suitable = Shards.suitable(forBatch: configuration.batch).count
    if wanted.shards == nil, wanted.accumulate == 1, trainer.shards.count > suitable {
      reporter.message(
        "shards raised from \(suitable) to \(trainer.shards.count), one a rank; set shards to keep the bits on other numbers of ranks"
      )
    }
    if let periodic = trainer.periodic {
      let (settings, count) = (periodic.settings, periodic.workers.count)
      reporter.message(
        "averaging periodic: \(count) \(count == 1 ? "worker trains" : "workers train") by themselves for up to "
          + "\(settings.period) steps; the weights depend on the number of workers, unlike those of averaging auto"
      )
    }
    if let note = trainer.averagingNote {
      reporter.message(
        "averaging by messages, the same bits but slower, for memory cannot be shared: \(note)")
    }
    if let note = data.note {
      reporter.message("each rank keeps the data for itself, for memory cannot be shared: \(note)")
    }
    if let first = faults.first {
      let others = faults.count == 1 ? "" : " (and \(faults.count - 1) more machines are like that)"
      reporter.warning("\(first.found); \(first.fix)\(others)")
    }
  }
}
