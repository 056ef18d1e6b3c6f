import CKernels
import MessagePassing
import TensorCore

/// Reduce-scatter by messages, then allgather, with the update between: each rank owns a slice, receives
/// the others' partials of it, and adds them in the canonical tree's order. The bits do not depend on the
/// number of ranks.
package final class OrderedSum: GradientSum {
  package let owned: Range<Int>
  package let ownedBlocks: Range<Int>
  package let slices: Slices

  private let communicator: any Communicator
  private let layout: VectorLayout
  private let buffers: [Arena<Float>]
  private let received: Arena<Float>
  /// For each size of batch.
  private var rounds: [Int: Round] = [:]

  /// What one size of batch needs, worked out before the first step.
  private struct Round {
    var fold: LocalFold
    var sends: [Message] = []
    var receives: [Message] = []
    /// Every partial's part of the slice, and its riders, in the order of the tree.
    var partials:
      [(node: Range<Int>, slice: UnsafeMutablePointer<Float>, riders: UnsafeMutablePointer<Float>)] = []
    var additions: [(slice: UnsafeMutablePointer<Float>, riders: UnsafeMutablePointer<Float>, into: Int)] = []
    var result = 0
  }

  package init(
    _ communicator: any Communicator, layout: VectorLayout, shards: Shards, batchSizes: [Int]
  ) {
    self.communicator = communicator
    self.layout = layout
    slices = Slices(layout, ranks: communicator.size)
    owned = slices.elements[communicator.rank]
    ownedBlocks = slices.blocks[communicator.rank]

    let runs = shards.ranges(ofRanks: communicator.size)
    let folds = batchSizes.map { batch in
      let sizes = shards.ranges(ofBatch: batch).map(\.count)
      return runs.map { LocalFold(run: $0, shards: shards.count, sizes: sizes) }
    }
    let bufferCount = folds.map { $0[communicator.rank].bufferCount }.max() ?? 0
    buffers = (0..<max(bufferCount, 1)).map { _ in Arena<Float>(count: layout.gradientCount) }
    let stride = owned.count + layout.riders.count
    let foreign = folds.map { folds in
      folds.enumerated().reduce(0) { $0 + ($1.offset == communicator.rank ? 0 : $1.element.partials.count) }
    }
    received = Arena(count: stride * (foreign.max() ?? 0))
    for (batch, folds) in zip(batchSizes, folds) { rounds[batch] = makeRound(folds, stride: stride, shards) }
  }

  private func makeRound(_ folds: [LocalFold], stride: Int, _ shards: Shards) -> Round {
    let rank = communicator.rank
    var round = Round(fold: folds[rank])
    var place = received.base
    for (peer, fold) in folds.enumerated() {
      for partial in fold.partials {
        if peer == rank {
          let base = buffers[partial.buffer].base
          round.partials.append((partial.node, base + owned.lowerBound, base + layout.riders.lowerBound))
        } else {
          let riders = place + owned.count
          round.partials.append((partial.node, place, riders))
          if !owned.isEmpty {
            round.receives.append(Message(peer: peer, memory: .init(start: place, count: owned.count)))
          }
          round.receives.append(Message(peer: peer, memory: .init(start: riders, count: layout.riders.count)))
          place += stride
        }
      }
      guard peer != rank else { continue }
      for partial in folds[rank].partials {
        let buffer = buffers[partial.buffer]
        if !slices.elements[peer].isEmpty {
          round.sends.append(Message(peer: peer, memory: buffer.buffer(slices.elements[peer])))
        }
        round.sends.append(Message(peer: peer, memory: buffer.buffer(layout.riders)))
      }
    }

    var additions: [(from: Int, into: Int)] = []
    let partials = round.partials
    let result = CanonicalTree.fold(
      0..<shards.count,
      leaf: { node in
        if let index = partials.firstIndex(where: { $0.node == node }) { return .value(index) }
        // A node that no rank contributes and that holds no partial is without samples.
        return partials.contains { !$0.node.clamped(to: node).isEmpty } ? .split : .empty
      },
      add: { (left: Int, right: Int) in
        additions.append((right, left))
        return left
      })
    round.additions = additions.map { (partials[$0.from].slice, partials[$0.from].riders, $0.into) }
    round.result = result ?? 0
    return round
  }

  package func sum(
    batch: Int, phase: (StepPhase) -> Void, compute: ShardComputation
  ) throws -> SummedGradients {
    guard let round = rounds[batch] else { preconditionFailure("no plan for a batch of \(batch)") }
    for action in round.fold.actions {
      switch action {
      case .compute(let shard, let buffer): try compute(shard, buffers[buffer].base, nil)
      case .add(let buffer, let target):
        lockstep_add(buffers[target].base, buffers[buffer].base, buffers[target].base, layout.gradientCount)
      }
    }
    phase(.communication)
    try round.sends.withUnsafeBufferPointer { sends in
      try round.receives.withUnsafeBufferPointer { try communicator.exchange(sends: sends, receives: $0) }
    }
    phase(.compute)
    for addition in round.additions {
      let riders = round.partials[addition.into].riders
      lockstep_add(riders, addition.riders, riders, layout.riders.count)
    }
    let result = round.partials[round.result]
    let sums = SummedGradients(gradients: result.slice, riders: result.riders)
    if sums.rider(.faults) == 0 {
      for addition in round.additions {
        let slice = round.partials[addition.into].slice
        lockstep_add(slice, addition.slice, slice, owned.count)
      }
    }
    return sums
  }

  package func share(parameters: Arena<Float>) throws(MessagePassingError) {
    try communicator.allgather(parameters.buffer, slices: slices.elements)
  }

  package func share(blockSums: Arena<Double>) throws(MessagePassingError) {
    try communicator.allgather(blockSums.buffer, slices: slices.blocks)
  }
}
