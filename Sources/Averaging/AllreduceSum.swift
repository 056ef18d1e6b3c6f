import CKernels
import MessagePassing
import TensorCore

/// The plain way: one nonblocking MPI allreduce a bucket, started as soon as the bucket is complete in the
/// backward pass of the rank's last shard and moved on between instructions. Every rank has the whole sum
/// and makes the whole update.
///
/// The order of the additions is the MPI library's: bits repeat at the same number of ranks and with the
/// same buckets, no further.
package final class AllreduceSum: GradientSum, CompletionObserver {
  package let owned: Range<Int>
  package let ownedBlocks: Range<Int>
  package let slices: Slices
  package let parameters: Arena<Float>
  package var writesForAll: Bool { true }
  /// MPI has no type for another.
  package var wire: WireFormat { .float32 }

  private let communicator: any Communicator
  private let layout: VectorLayout
  private let buckets: [Range<Int>]
  /// The sum so far, and the shard that is being computed.
  private let total: Arena<Float>
  private let current: Arena<Float>
  /// For each size of batch, this rank's shards that have samples.
  private var shards: [Int: [Int]] = [:]
  /// In the step under way: the buckets whose sum has started, and whether there is nothing to add yet.
  private var started = 0
  private var isFirstShard = true

  package init(
    _ communicator: any Communicator, layout: VectorLayout, shards: Shards, batchSizes: [Int],
    bucketBytes: Int
  ) {
    self.communicator = communicator
    self.layout = layout
    let whole = Slices(whole: layout)
    owned = whole.elements[0]
    ownedBlocks = whole.blocks[0]
    slices = whole
    parameters = Arena(count: layout.vectorCount)
    buckets = Buckets(layout, bytes: bucketBytes).ranges
    let run = shards.ranges(ofRanks: communicator.size)[communicator.rank]
    for batch in batchSizes {
      let ranges = shards.ranges(ofBatch: batch)
      self.shards[batch] = run.filter { !ranges[$0].isEmpty }
    }
    total = Arena(count: layout.gradientCount)
    current = Arena(count: run.count > 1 ? layout.gradientCount : 0)
  }

  package func sum(
    batch: Int, phase: (StepPhase) -> Void, compute: ShardComputation
  ) throws -> SummedRiders {
    guard let mine = shards[batch] else { preconditionFailure("no plan for a batch of \(batch)") }
    started = 0
    if mine.isEmpty { total.base.update(repeating: 0, count: total.count) }
    for (position, shard) in mine.enumerated() {
      isFirstShard = position == 0
      let isLast = position == mine.count - 1
      try compute(shard, isFirstShard ? total.base : current.base, isLast ? self : nil)
      if !isFirstShard { add((isLast ? buckets[started].lowerBound : 0)..<layout.gradientCount) }
    }
    phase(.communication)
    for bucket in buckets[started...] { try communicator.startAllreduce(total.buffer(bucket)) }
    try communicator.finishAllreduces()
    phase(.compute)
    return SummedRiders(values: total.base + layout.riders.lowerBound)
  }

  package func isComplete(prefix: Int) throws {
    // After a fault nothing more starts early: the culprit is looked for in memory that is still our own.
    let riders = (isFirstShard ? total : current).base + layout.riders.lowerBound
    let isFaulty = riders[Rider.faults.rawValue] > 0
    // The last bucket carries the riders, which are complete only when the shard is.
    while !isFaulty, started < buckets.count - 1, buckets[started].upperBound <= prefix {
      if !isFirstShard { add(buckets[started]) }
      try communicator.startAllreduce(total.buffer(buckets[started]))
      started += 1
    }
    if started > 0 { try communicator.progress() }
  }

  package var handedOn: Int { buckets[started].lowerBound }

  private func add(_ range: Range<Int>) {
    let target = total.base + range.lowerBound
    lockstep_add(target, current.base + range.lowerBound, target, range.count)
  }

  package func gradients(of elements: Range<Int>, leavesRest: Bool) -> GradientTerms {
    GradientTerms(sum: total.base + elements.lowerBound)
  }

  package func ownedGradients() -> UnsafeMutablePointer<Float> { total.base }

  package func settle() {}

  package func share() {}

  package func share(blockSums: Arena<Double>) {}
}
