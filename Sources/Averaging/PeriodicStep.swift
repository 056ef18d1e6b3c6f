import MessagePassing
import Optimizers
import TensorCore

/// Training by `LocalSteps`: `inner` makes the steps of this rank's worker, `outer` averages the workers.
///
/// To the outer step a worker is a shard, of which its first rank computes the gradient: where the worker was after the
/// last averaging, less where it is. So averaging is done by the same code, through the same messages, as that of gradients.
/// What happened in the steps between, losses and faults, travels as riders then.
package final class PeriodicStep {
  package let settings: LocalSteps
  package let inner: SynchronizedStep
  package let outer: SynchronizedStep
  /// The shards of each worker.
  package var workers: [Int] { group.shards.map(\.count) }
  /// Why memory is not shared although it was to be.
  package let note: String?

  private let group: WorkerGroup
  private let layout: VectorLayout
  private let localBatches: [Int: Int]
  /// Of this worker since the last averaging.
  private var (loss, correct) = (0.0, 0)
  private var fault: String?
  private var wasStopped = false
  /// Of all workers since then.
  private var samples = 0

  /// All ranks call it.
  ///
  /// - Parameters:
  ///   - shards: of all workers' steps.
  ///   - wire: how numbers travel between workers.
  package init(
    _ communicator: any Communicator, _ settings: LocalSteps, layout: VectorLayout, optimizer: Optimizer,
    shards: Shards, batchSizes: [Int], wire: WireFormat
  ) throws(MessagePassingError) {
    precondition(optimizer.averageDecay == nil, "workers would have averages of their own")
    self.settings = settings
    self.layout = layout
    let group = try WorkerGroup(communicator, settings.workers, shards: shards)
    self.group = group
    localBatches = Dictionary(
      uniqueKeysWithValues: batchSizes.map { ($0, group.samples(ofBatch: $0, shards)) })
    let sizes = Set(localBatches.values).filter { $0 > 0 }.sorted()
    let innerSum = try OwnerSum(
      group.inside, layout: layout, shards: Shards(group.shards[group.own].count), batchSizes: sizes,
      sharing: true)
    inner = SynchronizedStep(
      group.inside, layout: layout, optimizer: optimizer, sum: innerSum,
      rankInJob: communicator.rankInJob, firstShard: group.shards[group.own].lowerBound)

    let count = group.ranks.count
    // Its first rank computes a worker's part.
    let runs = group.ranks.enumerated().flatMap { worker, ranks in
      ranks.map { $0 == ranks.lowerBound ? worker..<worker + 1 : worker + 1..<worker + 1 }
    }
    let outerLayout = layout.averagingBuffers
    let outerSum = try OwnerSum(
      communicator, layout: outerLayout, shards: Shards(count), batchSizes: [count], runs: runs,
      sharing: true,
      wire: wire, sendsEarly: false)
    outer = SynchronizedStep(
      communicator, layout: outerLayout,
      optimizer: .sgd(
        learningRate: settings.learningRate, momentum: settings.momentum, nesterov: settings.momentum > 0),
      sum: outerSum)
    note = innerSum.note ?? outerSum.note
  }

  /// What is saved besides the parameters, with each rank's part.
  package var state: [StateVector] {
    let slices = group.slices(layout)
    return zip(inner.state.names, inner.state.vectors).map {
      StateVector(name: $0, workers: workers.count, slices: slices, own: $1)
    }
      + zip(outer.state.names, outer.state.vectors).map {
        StateVector(name: "outer.\($0)", slices: outer.sum.slices.elements, own: $1)
      }
  }

  /// Fills in the same parameters for all workers. All ranks call it.
  package func fill(_ write: (Arena<Float>) -> Void) throws(MessagePassingError) {
    try outer.sum.fill(write)
    try outer.adoptInitialValues()
    try takeOver()
  }

  /// After parameters and the optimizers' state have been loaded, into those of `inner` too. All ranks call it.
  package func adoptLoadedValues() throws(MessagePassingError) {
    try inner.sum.settle()
    try outer.sum.fill { $0.base.update(from: inner.parameters.base, count: layout.vectorCount) }
  }

  /// The workers go on from the outer parameters.
  private func takeOver() throws(MessagePassingError) {
    try inner.sum.fill { $0.base.update(from: outer.parameters.base, count: layout.vectorCount) }
  }

  /// A step of this worker. One whose numbers cannot be used changes nothing, and ends the training at the next averaging.
  ///
  /// - Parameters:
  ///   - batch: the samples of the batch, over all workers.
  ///   - stopRequested: whether this rank was asked to stop at the next averaging.
  ///   - compute: computes one of this rank's shards of it.
  package func run(
    step: Int, batch: Int, stopRequested: Bool, phase: (StepPhase) -> Void, compute: ShardComputation
  ) throws {
    samples += batch
    guard let local = localBatches[batch] else { preconditionFailure("no plan for a batch of \(batch)") }
    guard local > 0 else { return }
    let first = group.shards[group.own].lowerBound
    let outcome = try inner.run(
      step: step, batch: local, stopRequested: stopRequested, skipsFaults: true, phase: phase
    ) { shard, gradients, observer in try compute(first + shard, gradients, observer) }
    loss += Double(outcome.loss)
    correct += outcome.correct
    if outcome.shouldStop { wasStopped = true }
    if fault == nil, let found = outcome.fault { fault = "\(found), in step \(step + 1)" }
  }

  /// Averages the workers after `step`, counted from 0, and tells all what happened since the last averaging.
  ///
  /// - Parameter saveRequested: on rank 0, whether all are to save after this step.
  package func average(
    step: Int, saveRequested: Bool, phase: (StepPhase) -> Void
  ) throws -> SynchronizedStep.Outcome {
    let isFirst = group.isFirst
    outer.foreseenFault = isFirst ? fault : nil
    let outcome = try outer.run(
      step: step, batch: group.ranks.count, stopRequested: wasStopped, saveRequested: saveRequested,
      skipsFaults: true, phase: phase
    ) { _, gradients, _ in fillIn(gradients) }
    if let found = outcome.fault { throw Self.error(step: step, found: found) }
    try takeOver()
    defer { (loss, correct, samples, wasStopped) = (0, 0, 0, false) }
    return SynchronizedStep.Outcome(
      loss: outcome.loss, correct: outcome.correct, samples: samples, shouldStop: outcome.shouldStop,
      fault: nil, shouldSave: outcome.shouldSave)
  }

  /// What a worker has to say: the way it has gone, with the riders of its steps.
  private func fillIn(_ gradients: UnsafeMutablePointer<Float>) {
    let (start, now) = (outer.parameters.base, inner.parameters.base)
    for entry in layout.entries {
      for element in entry.range { gradients[element] = start[element] - now[element] }
    }
    let riders = gradients + layout.riders.lowerBound
    riders.update(repeating: 0, count: layout.riders.count)
    let isUsable = FloatKernels.isSummable(gradients, layout.count)
    riders[Rider.faults.rawValue] = isUsable && fault == nil ? 0 : 1
    riders[Rider.loss.rawValue] = Float(loss)
    riders[Rider.correct.rawValue] = Float(correct)
    riders[Rider.samples.rawValue] = 1
    riders[Rider.shards.rawValue] = 1
    for buffer in layout.buffers {
      for (place, value) in zip(layout.statistic(of: buffer), buffer.entry.range) {
        riders[place] = now[value]
      }
    }
  }

  private static func error(step: Int, found: String) -> AveragingError {
    AveragingError(
      at: "the averaging after step \(step + 1)", expected: "finite gradients, parameters and losses",
      found: "infinite numbers or NaN: \(found)",
      remedy:
        "Nothing of this was saved. Lower the learning rate, warm it up, or set optimizer.clipNorm; check the data for "
        + "extreme values; then go on from the last checkpoint with --resume.")
  }
}

extension VectorLayout {
  /// The same with buffers that become the shards' mean at once, instead of following it.
  fileprivate var averagingBuffers: VectorLayout {
    VectorLayout(
      entries.map { ($0.name, $0.shape) },
      buffers: buffers.map { ($0.entry.name, $0.entry.shape, $0.momentum == 0 ? 0 : 1) })
  }
}
