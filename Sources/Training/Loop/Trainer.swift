import Autodiff
import Averaging
import Datasets
import Failpoints
import Foundation
import Layers
import MessagePassing
import Optimizers
import TensorCore

/// Trains a model data-parallel over the ranks of a world. Every rank makes one, with the same arguments,
/// and calls the same methods.
///
///     let world = try World.join()
///     let data = try BuiltInDigits.draw(split: .train, count: 20_000)
///     let model = MultilayerPerceptron(widths: [784, 128, 10])
///     let trainer = try Trainer(
///       model, loss: .crossEntropy, optimizer: .sgd(learningRate: 0.1, momentum: 0.9), data: data,
///       batch: 128, shards: 8, in: world)
///     try trainer.fit(epochs: 5)
///     print(try trainer.evaluate(testData).accuracy ?? 0)
///     try world.leave()
public final class Trainer {
  public let objective: Objective
  public let optimizer: Optimizer
  public let sampler: Sampler
  public let shards: Shards
  /// Steps taken so far, over all epochs.
  public internal(set) var step = 0
  /// Samples that this trainer has trained on, over all ranks; those before a resume don't count.
  public private(set) var samplesTrained = 0
  /// Where the time of this rank went.
  public private(set) var time = TimeAccount()
  /// What the steps of the epoch under way, and since the last report, add up to.
  public internal(set) var epochSums = StepSums()
  public internal(set) var intervalSums = StepSums()
  /// Steps that changed nothing, for their numbers could not be used.
  public internal(set) var skipped = SkippedSteps()
  /// How many such steps may follow each other; the next one throws.
  package var skippableSteps = 0

  package let communicator: any Communicator
  package var parameters: Arena<Float> { synchronized.parameters }
  /// The steps of all ranks, or of this rank's worker.
  package let synchronized: SynchronizedStep
  /// Where workers train by themselves.
  package let periodic: PeriodicStep?

  /// Why the ranks do not share memory although they were to.
  package let averagingNote: String?

  private let data: any Dataset
  /// One of the two: the second where the passes of shards depend on each other.
  private let computer: ShardComputer?
  private let together: SynchronizedShards?
  private let run: Range<Int>
  private let evaluationShard: Int
  private let evaluatesOnRankZero: Bool
  /// Whether samples are gathered on a thread of their own.
  private let loadsAhead: Bool
  private var loader: Loader?
  private var profile: StepProfile?
  /// Where this rank says where it is.
  var whereabouts = Whereabouts() {
    didSet {
      computer?.whereabouts = whereabouts
      together?.whereabouts = whereabouts
    }
  }
  /// What the instructions of the plans are, by the samples of a pass.
  let instructionNames: [Int: [String]]
  /// What batch normalization's count of batches is saved from.
  let stepCount = Arena<Int64>(count: 1)

  /// - Parameters:
  ///   - data: the training samples.
  ///   - batch: samples of one optimizer step, over all ranks.
  ///   - shards: parts of a batch whose gradients are computed in one pass, at least one a rank; the same
  ///     number gives the same bits on any number of ranks. nil: chosen from the batch, raised to the
  ///     number of ranks.
  ///   - target: what the model learns to answer, where that is not what the data say: `.input` trains an
  ///     autoencoder on any data.
  ///   - seed: of the initial values, the order of the samples, and dropout.
  ///   - wire: how gradients and parameters travel between machines; with `bfloat16` they are rounded to it everywhere,
  ///     so that the bits still don't depend on the ranks. Not with `allreduce`.
  ///   - evaluationShard: samples of one pass when evaluating.
  ///   - threads: of each rank's matrix products; set for the calling thread, which trains. The results
  ///     of a matrix product depend on it, so it is never left to the launcher.
  public convenience init(
    _ model: any Layer, loss: Loss, optimizer: Optimizer, data: any Dataset, batch: Int, shards: Int? = nil,
    target: Target? = nil, seed: UInt64 = 0, lastBatch: Sampler.LastBatch = .keep,
    averaging: AveragingStrategy = .auto, wire: WireFormat = .float32, evaluationShard: Int = 500,
    threads: Int = 1, in world: World
  ) throws {
    try self.init(
      model, loss: loss, optimizer: optimizer, data: data, batch: batch, shards: shards, target: target,
      seed: seed, lastBatch: lastBatch, averaging: averaging, wire: wire,
      evaluationShard: evaluationShard, threads: threads, over: world.communicator)
  }

  package convenience init(
    _ model: any Layer, loss: Loss, optimizer: Optimizer, data: any Dataset, batch: Int, shards: Int? = nil,
    target: Target? = nil, seed: UInt64 = 0, isShuffled: Bool = true, lastBatch: Sampler.LastBatch = .keep,
    averaging: AveragingStrategy = .auto, wire: WireFormat = .float32, evaluationShard: Int = 500,
    evaluatesOnRankZero: Bool = false, threads: Int = 1, over communicator: any Communicator
  ) throws {
    let draft = try eachOrNone(communicator) {
      try TrainerDraft(
        model, loss: loss, optimizer: optimizer, data: data, batch: batch, shards: shards, target: target,
        seed: seed, isShuffled: isShuffled, lastBatch: lastBatch, ranks: communicator.size)
    }
    try self.init(
      draft, averaging: averaging, wire: wire, evaluationShard: evaluationShard,
      evaluatesOnRankZero: evaluatesOnRankZero, threads: threads, over: communicator)
  }

  /// All ranks call it, none that could not make its draft.
  package init(
    _ draft: TrainerDraft, averaging: AveragingStrategy = .auto, wire: WireFormat = .float32,
    evaluationShard: Int = 500, evaluatesOnRankZero: Bool = false, threads: Int = 1,
    over communicator: any Communicator
  ) throws {
    ComputeLibrary.setThreads(threads)
    Failpoint.here(rank: communicator.rankInJob)
    self.communicator = communicator
    self.evaluationShard = evaluationShard
    self.evaluatesOnRankZero = evaluatesOnRankZero
    loadsAhead = UsableProcessors.haveSpare(
      ranksHere: communicator.machine.ranksOfJob, threads: threads)
    (objective, optimizer, sampler, shards, data) = (
      draft.objective, draft.optimizer, draft.sampler, draft.shards, draft.data
    )
    instructionNames = draft.plans.mapValues(\.names)
    run = draft.shards.ranges(ofRanks: communicator.size)[communicator.rank]
    let layout = draft.objective.layout
    if case .periodic(let settings) = averaging {
      try Self.requireWorkers(draft)
      let periodic = try PeriodicStep(
        communicator, settings, layout: layout, optimizer: draft.optimizer, shards: draft.shards,
        batchSizes: draft.sampler.batchSizes, wire: wire)
      try periodic.fill { draft.objective.fillInitialValues($0, seed: draft.seed) }
      (self.periodic, synchronized, averagingNote) = (periodic, periodic.inner, periodic.note)
      together = nil
      computer = ShardComputer(draft, parameters: periodic.inner.parameters)
      return
    }
    periodic = nil
    let sum: any GradientSum
    switch averaging {
    case .auto, .shared, .ordered:
      let owners = try OwnerSum(
        communicator, layout: layout, shards: draft.shards, batchSizes: draft.sampler.batchSizes,
        sharing: averaging != .ordered, wire: wire)
      (sum, averagingNote) = (owners, owners.note)
    case .allreduce(let bucketBytes):
      precondition(wire == .float32, "MPI adds no bfloat16 numbers")
      sum = AllreduceSum(
        communicator, layout: layout, shards: draft.shards, batchSizes: draft.sampler.batchSizes,
        bucketBytes: bucketBytes)
      averagingNote = nil
    case .periodic: preconditionFailure("workers train by themselves")
    }
    synchronized = SynchronizedStep(communicator, layout: layout, optimizer: draft.optimizer, sum: sum)
    try sum.fill { draft.objective.fillInitialValues($0, seed: draft.seed) }
    try synchronized.adoptInitialValues()
    together = SynchronizedShards(draft, parameters: sum.parameters, over: communicator)
    computer = together == nil ? ShardComputer(draft, parameters: sum.parameters) : nil
  }

  /// Refuses what workers would not do alike.
  private static func requireWorkers(_ draft: TrainerDraft) throws(TrainingError) {
    if draft.optimizer.averageDecay != nil {
      throw TrainingError(
        at: "ema.decay",
        expected: "no average of the weights with averaging periodic, where each worker has its own",
        found: "one", remedy: "Take it out: --set ema.decay=null; the outer optimizer averages, too.")
    }
    if draft.plans.values.contains(where: { !$0.synchronizations.isEmpty }) {
      throw TrainingError(
        at: "model.synchronizedBatchNorm", expected: "statistics of each shard with averaging periodic",
        found: "those of the whole batch, of which workers know a part only",
        remedy: "Set model.synchronizedBatchNorm: false, or another averaging.")
    }
  }

  /// Notes from now on what the time of steps goes to, in shards of so many samples down to each instruction; nil
  /// where shards of this size do not occur, or depend on each other.
  ///
  /// - Parameter keptSteps: the first so many steps are kept one by one.
  package func startProfile(shardLength: Int, keptSteps: Int = 0) -> StepProfile? {
    guard let computer, let plan = computer.plan(of: shardLength) else { return nil }
    let profile = StepProfile(plan, shardsPerStep: run.count, keptSteps: keptSteps)
    computer.profile = profile.plan
    self.profile = profile
    return profile
  }

  public var epoch: Int { step / sampler.batchesPerEpoch }

  /// The first step after `step`, both counted from 1, at whose end all ranks have the same parameters and know the same:
  /// the next one, but where workers train by themselves. The last step of all is another.
  package func nextMeeting(afterStep step: Int) -> Int {
    guard let period = periodic?.settings.period else { return step + 1 }
    func next(_ length: Int) -> Int { (step / length + 1) * length }
    return min(next(period), next(sampler.batchesPerEpoch))
  }

  /// Trains on for so many epochs.
  public func fit(epochs: Int) throws {
    _ = try fit(untilStep: (epoch + epochs) * sampler.batchesPerEpoch) { _ in }
  }

  /// Trains until so many steps have been taken in all, or until some rank was asked to stop.
  ///
  /// - Parameters:
  ///   - stopRequested: whether this rank was asked to stop; asked before every step in which ranks meet.
  ///   - saveRequested: whether rank 0 wants all to save after the step; asked before every such step.
  ///   - endsEarly: whether this was enough, the same on all ranks; asked after every step.
  ///   - afterStep: called after every step with its outcome; `local` where ranks have not met.
  /// - Returns: whether the last step was reached, or what was done was enough.
  package func fit(
    untilStep last: Int, stopRequested: () -> Bool = { false }, saveRequested: () -> Bool = { false },
    endsEarly: () -> Bool = { false },
    afterStep: (SynchronizedStep.Outcome) throws -> Void
  ) throws -> Bool {
    guard step < last else { return true }
    let (run, shards) = (run, shards)
    let loader = try Loader(
      data, sampler: sampler, firstStep: step, steps: last - step, worksAhead: loadsAhead
    ) { batch in Array(shards.ranges(ofBatch: batch)[run]) }
    self.loader = loader
    defer {
      loader.stop()
      self.loader = nil
      begin(.other)
    }
    var meeting = min(nextMeeting(afterStep: step), last)
    while step < last {
      let batch = sampler.batch(step: step).count
      Failpoint.here(step: step + 1)
      whereabouts.begin(step: step + 1)
      Failpoint.step.reach()
      begin(.compute)
      try together?.compute(batch: batch, phase: { enter($0) }, next: { nextSamples(ofShard: $0, loader) })
      let meets = step + 1 == meeting
      let outcome = try takeStep(
        batch: batch, meets: meets, stopRequested: meets && stopRequested(),
        saveRequested: meets && saveRequested(), loader)
      begin(.other)
      step += 1
      if meets { meeting = min(nextMeeting(afterStep: step), last) }
      skipped.note(isSkipped: outcome.fault != nil)
      spoilReplica()
      samplesTrained += batch
      if step % sampler.batchesPerEpoch == 1 || sampler.batchesPerEpoch == 1 { epochSums = StepSums() }
      epochSums.add(outcome)
      intervalSums.add(outcome)
      try afterStep(outcome)
      if endsEarly() { return true }
      if outcome.shouldStop { return step == last }
    }
    return true
  }

  private func takeStep(
    batch: Int, meets: Bool, stopRequested: Bool, saveRequested: Bool, _ loader: Loader
  ) throws -> SynchronizedStep.Outcome {
    guard let periodic else {
      return try synchronized.run(
        step: step, batch: batch, stopRequested: stopRequested, saveRequested: saveRequested,
        skipsFaults: skipped.inARow < skippableSteps, phase: { enter($0) },
        compute: { shard, gradients, observer in try compute(shard, gradients, observer, loader) })
    }
    try periodic.run(
      step: step, batch: batch, stopRequested: stopRequested, phase: { enter($0) },
      compute: { shard, gradients, observer in try compute(shard, gradients, observer, loader) })
    guard meets else { return .local }
    return try periodic.average(step: step, saveRequested: saveRequested, phase: { enter($0) })
  }

  /// What a checkpoint holds of the optimizer.
  package var stateVectors: [StateVector] { periodic?.state ?? synchronized.stateVectors }

  private func enter(_ phase: StepPhase) {
    begin(phase == .compute ? .compute : .communication)
    if phase == .communication { Failpoint.averaging.reach() }
  }

  /// What a fault of the memory does: one number changes on one rank.
  private func spoilReplica() {
    guard Failpoint.replica.reach() == .nan, let last = objective.layout.allEntries.last else { return }
    parameters.base[last.offset] += 1
  }

  private func begin(_ phase: TimeAccount.Phase) {
    let now = MonotonicTime.nanoseconds
    time.enter(phase, at: now)
    profile?.note(phase, at: now)
    whereabouts.enter(phase: phase.place, at: now)
  }

  private func compute(
    _ shard: Int, _ gradients: UnsafeMutablePointer<Float>, _ observer: (any CompletionObserver)?,
    _ loader: Loader
  ) throws {
    together?.copyGradients(of: shard, to: gradients)
    try computer?.compute(nextSamples(ofShard: shard, loader), gradients: gradients, observer: observer)
    guard Failpoint.gradients.reach() == .nan, let last = objective.layout.entries.last else { return }
    // Of the parameter whose gradient is complete last, so that nothing of it is on its way.
    gradients[last.offset] = .nan
    gradients[objective.layout.riders.lowerBound + Rider.faults.rawValue] += 1
  }

  private func nextSamples(ofShard shard: Int, _ loader: Loader) -> Loader.Shard {
    begin(.data)
    let samples = loader.next()
    begin(.compute)
    guard let samples, samples.step == step, samples.index == shard - run.lowerBound else {
      preconditionFailure("the loader gave another shard than \(shard) of step \(step)")
    }
    return samples
  }

  /// How well the model does now. All ranks call it, and all get the same.
  public func evaluate(_ data: any Dataset, confusion: Bool = false) throws -> Evaluation {
    let before = time.phase
    begin(.validation)
    evaluator.afterPass = { [whereabouts] in whereabouts.tick() }
    defer { begin(before) }
    return try evaluator.evaluate(data, confusion: confusion)
  }

  /// Does something with the exponential moving average of the parameters in their place, where the optimizer
  /// keeps one. All ranks call it, with bodies that do the same.
  public func withAveragedParameters<Result>(_ body: () throws -> Result) throws -> Result {
    try synchronized.withAverage(afterStep: step, body)
  }

  /// For evaluating and predicting with the parameters as they are.
  public private(set) lazy var evaluator = Evaluator(
    objective, parameters: parameters, communicator: communicator, shardLength: evaluationShard,
    onlyRankZero: evaluatesOnRankZero)

  package func measure<Result>(_ phase: TimeAccount.Phase, _ body: () throws -> Result) rethrows -> Result {
    let before = time.phase
    begin(phase)
    defer { begin(before) }
    return try body()
  }
}
