import CKernels
import MessagePassing
import TensorCore

/// Reduce-scatter, update, allgather: each rank owns a slice, adds all partials of it in the canonical tree's order, and
/// gives what it made of it to everybody. The bits do not depend on the number of ranks, nor on how partials travel.
///
/// Ranks that share memory leave their partials where they are: the owners read them there, and the parameters exist
/// once for all of them. Between machines, and for ranks that share nothing, slices travel as messages.
package final class OwnerSum: GradientSum {
  package let owned: Range<Int>
  package let ownedBlocks: Range<Int>
  package let slices: Slices
  package let writesForAll: Bool
  package var parameters: Arena<Float> { memory.parameters }
  /// Why memory is not shared although it was to be.
  package var note: String? { memory.note }

  private let communicator: any Communicator
  private let layout: VectorLayout
  private let memory: OwnerMemory
  private let ownVectors: UnsafeMutablePointer<Float>
  /// For each size of batch.
  private let rounds: [Int: OwnerRound]
  private var round: OwnerRound?
  /// Where the new slices come from and go to between groups.
  private let sharing: (sends: [Message], receives: [Message])
  private let received: Arena<Float>
  /// What sends slices while the backward pass still runs, where they are ready then.
  private let early: EarlyDelivery?
  private let places: Arena<Float>
  private let riderPlaces: Arena<Float>

  /// - Parameters:
  ///   - sharing: whether the ranks of a machine share memory, where there is enough.
  ///   - messageLength: floats of a message between groups, at most: slices travel in such parts.
  ///   - sendsEarly: whether they are sent during the backward pass, where they can be; nil: where it pays.
  package init(
    _ communicator: any Communicator, layout: VectorLayout, shards: Shards, batchSizes: [Int], sharing: Bool,
    messageLength: Int = 1 << 16, sendsEarly: Bool? = nil
  ) throws(MessagePassingError) {
    let rank = communicator.rank
    self.communicator = communicator
    self.layout = layout
    slices = Slices(layout, ranks: communicator.size)
    owned = slices.elements[rank]
    ownedBlocks = slices.blocks[rank]

    let runs = shards.ranges(ofRanks: communicator.size)
    let folds = batchSizes.map { batch in
      let sizes = shards.ranges(ofBatch: batch).map(\.count)
      return runs.map { LocalFold(run: $0, shards: shards.count, sizes: sizes) }
    }
    let memory = try OwnerMemory(
      communicator, layout: layout, vectorCount: max(folds.map { $0[rank].bufferCount }.max() ?? 0, 1),
      sharing: sharing)
    self.memory = memory
    let group = memory.groups.ranges[memory.groups.index(of: rank)]
    writesForAll = group.lowerBound == rank
    ownVectors = memory.vectors[rank - group.lowerBound]

    let plan = OwnerRound.Plan(
      rank: rank, groups: memory.groups, slices: slices, layout: layout, shards: shards,
      vectors: memory.vectors, messageLength: messageLength)
    let receivedCount = folds.map { plan.receivedCount($0) }.max() ?? 0
    received = Arena(count: receivedCount)
    let start = received.base
    rounds = Dictionary(
      uniqueKeysWithValues: zip(batchSizes, folds.map { OwnerRound(plan, folds: $0, received: start) }))
    places = Arena(count: (rounds.values.map(\.placeCount).max() ?? 0) * Self.pieceLength)
    riderPlaces = Arena(count: (rounds.values.map(\.riderPlaceCount).max() ?? 0) * layout.riders.count)
    self.sharing = plan.sharing(of: memory.parameters)
    // With others on this machine a slice is ready when theirs is, too.
    let isReady = memory.groups.ranges.count > 1 && group.count == 1
    early =
      isReady && (sendsEarly ?? EarlyDelivery.pays(slices, layout))
      ? EarlyDelivery(communicator, layout: layout, vectors: ownVectors) : nil
  }

  package func sum(
    batch: Int, phase: (StepPhase) -> Void, compute: ShardComputation
  ) throws -> SummedRiders {
    guard let round = rounds[batch] else { preconditionFailure("no plan for a batch of \(batch)") }
    self.round = round
    try start([], round.receives[...])
    early?.begin(round)
    for (index, action) in round.fold.actions.enumerated() {
      switch action {
      case .compute(let shard, let buffer):
        try compute(shard, vector(buffer), index == round.fold.lastComputation ? early : nil)
      case .add(let buffer, let target):
        let rest = (early?.added ?? 0)..<layout.gradientCount
        lockstep_add(
          vector(target) + rest.lowerBound, vector(buffer) + rest.lowerBound,
          vector(target) + rest.lowerBound,
          rest.count)
      }
    }
    phase(.communication)
    try memory.window?.meet()
    round.prepareMessages(riders: riderPlaces.base)
    try start(round.sends[(early?.sent ?? 0)...], [])
    if memory.groups.ranges.count > 1 { try communicator.finishExchanges() }
    phase(.compute)
    return SummedRiders(values: UnsafePointer(round.riders(places: riderPlaces.base)))
  }

  private func vector(_ buffer: Int) -> UnsafeMutablePointer<Float> {
    ownVectors + buffer * layout.gradientCount
  }

  package func gradients(of elements: Range<Int>, leavesRest: Bool) -> GradientTerms {
    precondition(elements.count <= Self.pieceLength)
    guard let round else { preconditionFailure("nothing has been summed") }
    // Of a few pieces all partials are in the caches near by, where a pass of additions alone is quicker.
    return round.gradients(
      from: elements.lowerBound, elements.count, places: places.base,
      leavesRest: leavesRest && owned.count > 4 * Self.pieceLength)
  }

  package func ownedGradients() -> UnsafeMutablePointer<Float> {
    guard let round else { preconditionFailure("nothing has been summed") }
    return round.gradientsInPlace(owned)
  }

  package func settle() throws(MessagePassingError) { try memory.window?.meet() }

  package func share() throws(MessagePassingError) {
    try exchange(sharing.sends, sharing.receives)
    try memory.window?.meet()
  }

  package func share(blockSums: Arena<Double>) throws(MessagePassingError) {
    try communicator.allgather(blockSums.buffer, slices: slices.blocks)
  }

  private func start(
    _ sends: ArraySlice<Message>, _ receives: ArraySlice<Message>
  ) throws(MessagePassingError) {
    guard memory.groups.ranges.count > 1 else { return }
    try sends.withUnsafeBufferPointer { sends throws(MessagePassingError) in
      try receives.withUnsafeBufferPointer { receives throws(MessagePassingError) in
        try communicator.startExchange(sends: sends, receives: receives)
      }
    }
  }

  private func exchange(_ sends: [Message], _ receives: [Message]) throws(MessagePassingError) {
    // A collective call: a rank that has nothing to send makes it too, where there are others.
    guard memory.groups.ranges.count > 1 else { return }
    try sends.withUnsafeBufferPointer { sends throws(MessagePassingError) in
      try receives.withUnsafeBufferPointer { receives throws(MessagePassingError) in
        try communicator.exchange(sends: sends, receives: receives)
      }
    }
  }
}
