import TensorCore

/// Prepares the shards that one rank computes: ahead of time on a thread of its own, or one at a time when they are
/// asked for, which costs less where no processor is free for that thread.
///
/// The shards come in the order of the steps, those of a step in the order in which they were named. What
/// a shard holds depends on the data set, the sampler and the step only. After `init` nothing is allocated
/// here. The loader's thread passes no messages between ranks. A loader belongs to the thread that uses it.
public final class Loader {
  /// Some samples of one batch, in memory that stays valid until the loader's next `next`, `release` or
  /// `stop`.
  public struct Shard {
    /// The step, counted from 0 over all epochs.
    public let step: Int
    public let epoch: Int
    /// Samples in the whole batch, over all ranks.
    public let batchCount: Int
    /// The number of the shard among the ranges that this rank's plan named for the batch.
    public let index: Int
    /// The samples' numbers in the data set: what random numbers are drawn by.
    public let samples: UnsafeBufferPointer<Int>
    /// [count] + inputShape, dense, at a multiple of 64 bytes.
    public let inputs: UnsafeMutablePointer<Float>
    /// [count, labels of a sample] or [count, values of a sample], each at a multiple of 64 bytes.
    public let targets: TargetMemory
    /// The number of samples, at least 1.
    public var count: Int { samples.count }
  }

  /// Seconds that `next` has waited for the loader's thread, all together.
  public private(set) var waitSeconds = 0.0
  /// Bytes of the memory in which shards wait.
  public var byteCount: Int { ring.byteCount }
  /// Shards that the memory holds.
  public var depth: Int { ring.depth }

  private let ring: ShardRing
  private let sequence: ShardSequence
  /// nil where shards are prepared when they are asked for.
  private let thread: JoinableThread?
  private var isHolding = false
  private var isStopped = false

  /// Starts to prepare the steps `firstStep` ..< `firstStep + steps`.
  ///
  /// `shards` says for a batch of so many samples which parts of it this rank computes; it is asked once
  /// for each size that batches have. Empty parts are skipped, but counted in `Shard.index`. `depth` is
  /// the number of shards held at once, at least 2; left out, it is two steps' worth, or what makes up
  /// about 1 MiB, but not above 64 MiB. Where it does not work ahead, the loader holds one. Throws where the
  /// system has no thread to give.
  ///
  /// - Parameter worksAhead: whether on a thread of its own.
  public init(
    _ dataset: any Dataset, sampler: Sampler, firstStep: Int = 0, steps: Int, depth: Int? = nil,
    worksAhead: Bool = true, shards: (_ batchCount: Int) -> [Range<Int>]
  ) throws(DatasetError) {
    precondition(dataset.count == sampler.count, "the sampler is for \(sampler.count) samples")
    precondition(firstStep >= 0 && steps >= 0, "steps \(firstStep) and \(steps) more")
    var plans: [ShardPlan] = []
    for size in sampler.batchSizes { plans.append(ShardPlan(batchCount: size, ranges: shards(size))) }
    let capacity = plans.flatMap(\.ranges).map(\.count).max() ?? 0
    ring = ShardRing(
      depth: worksAhead ? depth ?? Self.depth(dataset, plans, capacity: capacity) : 1,
      capacity: max(capacity, 1), inputSize: dataset.inputSize, target: dataset.target,
      isWeighted: dataset.isWeighted)
    precondition(ring.depth >= 2 || !worksAhead, "a loader holds at least 2 shards, not \(ring.depth)")
    let sequence = ShardSequence(dataset, sampler, steps: firstStep..<firstStep + steps, plans)
    self.sequence = sequence
    thread =
      worksAhead
      ? try JoinableThread { [ring] in
        while sequence.hasNext {
          guard let slot = ring.slotToFill() else { return }
          sequence.fill(slot)
          ring.publish()
        }
        ring.finish()
      } : nil
  }

  deinit { stop() }

  /// The next shard, waited for; nil after the last one, and after `stop`. Releases the one before.
  public func next() -> Shard? {
    release()
    guard let slot = thread == nil ? preparedSlot() : waitedSlot() else { return nil }
    isHolding = true
    let contents = slot.contents.pointee
    return Shard(
      step: contents.step, epoch: contents.epoch, batchCount: contents.batchCount,
      index: contents.shard, samples: UnsafeBufferPointer(start: slot.samples, count: contents.count),
      inputs: slot.inputs, targets: slot.targets)
  }

  private func waitedSlot() -> ShardRing.Slot? {
    let (slot, waited) = ring.slotToUse()
    waitSeconds += waited
    return slot
  }

  private func preparedSlot() -> ShardRing.Slot? {
    guard !isStopped, sequence.hasNext, let slot = ring.slotToFill() else { return nil }
    sequence.fill(slot)
    ring.publish()
    return ring.slotToUse().slot
  }

  /// Gives the last shard's memory back, for the loader to fill. Calling it is optional.
  public func release() {
    guard isHolding else { return }
    isHolding = false
    ring.free()
  }

  /// Ends the loader's thread and returns when it has ended: after at most one shard's time. `next` gives
  /// nil from then on.
  public func stop() {
    isHolding = false
    isStopped = true
    ring.stop()
    thread?.join()
  }

  /// The bytes of a loader's memory for batches of these sizes, that of the samples' order included.
  package static func byteCount(
    for dataset: any Dataset, batchSizes: [Int], shards: (_ batchCount: Int) -> [Range<Int>]
  ) -> Int {
    let plans = batchSizes.map { ShardPlan(batchCount: $0, ranges: shards($0)) }
    let capacity = plans.flatMap(\.ranges).map(\.count).max() ?? 0
    let slot = ShardRing.Layout(
      capacity: max(capacity, 1), inputSize: dataset.inputSize, target: dataset.target,
      isWeighted: dataset.isWeighted)
    return depth(dataset, plans, capacity: capacity) * slot.byteCount
      + dataset.count * MemoryLayout<Int>.stride
  }

  private static func depth(_ dataset: any Dataset, _ plans: [ShardPlan], capacity: Int) -> Int {
    let bytes = max(4 * capacity * dataset.inputSize, 1)
    let perStep = plans.map { $0.ranges.count { !$0.isEmpty } }.max() ?? 0
    let wanted = max(2 * perStep, min((1 << 20) / bytes, 32), 4)
    return max(min(wanted, (64 << 20) / bytes), 2)
  }
}

/// The parts of a batch of one size that a rank computes.
private struct ShardPlan: Sendable {
  let batchCount: Int
  let ranges: [Range<Int>]

  init(batchCount: Int, ranges: [Range<Int>]) {
    precondition(
      ranges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= batchCount },
      "shards \(ranges) are not within a batch of \(batchCount)")
    self.batchCount = batchCount
    self.ranges = ranges
  }
}

/// The shards of a rank, one after the other. It belongs to the thread that fills them.
private final class ShardSequence: @unchecked Sendable {
  private let dataset: any Dataset
  private let sampler: Sampler
  private let plans: [ShardPlan]
  private let lastStep: Int
  private let order: UnsafeMutableBufferPointer<Int>
  private var step: Int
  private var epoch = -1
  /// Where the step's batch lies in the epoch's order, and the parts of it that are wanted.
  private var positions = 0..<0
  private var plan: ShardPlan?
  private var shard = 0

  init(_ dataset: any Dataset, _ sampler: Sampler, steps: Range<Int>, _ plans: [ShardPlan]) {
    (self.dataset, self.sampler, self.plans) = (dataset, sampler, plans)
    (step, lastStep) = (steps.lowerBound, steps.upperBound)
    order = .allocate(capacity: sampler.count)
    open()
  }

  deinit { order.deallocate() }

  /// Whether a shard is left.
  var hasNext: Bool { plan != nil }

  /// Goes to the first shard with samples at or behind the step.
  private func open() {
    while step < lastStep {
      shard = 0
      let batch = sampler.batch(step: step)
      for plan in plans where plan.batchCount == batch.count {
        (self.plan, positions) = (plan, batch.positions)
        if skipEmptyShards() { return }
      }
      step += 1
    }
    plan = nil
  }

  /// Whether the step has another shard with samples.
  private func skipEmptyShards() -> Bool {
    guard let ranges = plan?.ranges else { return false }
    while shard < ranges.count, ranges[shard].isEmpty { shard += 1 }
    return shard < ranges.count
  }

  /// Writes the shard to a slot, and goes to the next.
  func fill(_ slot: ShardRing.Slot) {
    guard let plan else { preconditionFailure("no shard is left") }
    let batch = sampler.batch(step: step)
    if batch.epoch != epoch {
      epoch = batch.epoch
      sampler.fillOrder(epoch: epoch, order)
    }
    let range = plan.ranges[shard]
    for (row, position) in range.enumerated() {
      slot.samples[row] = order[positions.lowerBound + position]
    }
    slot.contents.pointee = ShardRing.Contents(
      step: step, epoch: epoch, batchCount: batch.count, shard: shard, count: range.count)
    dataset.fill(
      UnsafeBufferPointer(start: slot.samples, count: range.count), epoch: epoch, inputs: slot.inputs,
      targets: slot.targets)
    shard += 1
    guard !skipEmptyShards() else { return }
    step += 1
    open()
  }
}
