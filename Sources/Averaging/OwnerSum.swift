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
  package let wire: WireFormat
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
  private let sharing: SliceSharing
  private let received: Arena<Float>
  private let packed: Arena<Float>
  /// What sends slices while the backward pass still runs, where they are ready then.
  private let early: EarlyDelivery?
  private let places: Arena<Float>
  private let riderPlaces: Arena<Float>

  /// - Parameters:
  ///   - runs: the shards of each rank, one behind the other; nil: equal parts.
  ///   - sharing: whether the ranks of a machine share memory, where there is enough.
  ///   - wire: how numbers travel between groups.
  ///   - messageLength: numbers of a message between groups, at most, an even number: slices travel in such parts.
  ///   - sendsEarly: whether they are sent during the backward pass, where they can be; nil: where it pays.
  package init(
    _ communicator: any Communicator, layout: VectorLayout, shards: Shards, batchSizes: [Int],
    runs: [Range<Int>]? = nil, sharing: Bool,
    wire: WireFormat = .float32, messageLength: Int = 1 << 16, sendsEarly: Bool? = nil
  ) throws(MessagePassingError) {
    precondition(messageLength > 0 && messageLength % 2 == 0)
    let rank = communicator.rank
    self.communicator = communicator
    self.layout = layout
    self.wire = wire
    slices = Slices(layout, ranks: communicator.size)
    owned = slices.elements[rank]
    ownedBlocks = slices.blocks[rank]

    let runs = runs ?? shards.ranges(ofRanks: communicator.size)
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
      rank: rank, groups: memory.groups, slices: slices, layout: layout, shards: shards, runs: runs,
      vectors: memory.vectors, messageLength: messageLength, wire: wire)
    let receivedCount = folds.map { plan.receivedCount($0) }.max() ?? 0
    received = Arena(count: receivedCount)
    packed = Arena(count: folds.map { plan.packedCount($0) }.max() ?? 0)
    let (start, packedStart) = (received.base, packed.base)
    rounds = Dictionary(
      uniqueKeysWithValues: zip(
        batchSizes, folds.map { OwnerRound(plan, folds: $0, received: start, packed: packedStart) }))
    places = Arena(count: (rounds.values.map(\.placeCount).max() ?? 0) * Self.pieceLength)
    riderPlaces = Arena(count: (rounds.values.map(\.riderPlaceCount).max() ?? 0) * layout.riders.count)
    self.sharing = SliceSharing(plan, parameters: memory.parameters)
    // With others on this machine a slice is ready when theirs is, too.
    let isReady = memory.groups.ranges.count > 1 && group.count == 1
    early =
      isReady && (sendsEarly ?? EarlyDelivery.pays(slices, layout))
      ? EarlyDelivery(communicator, layout: layout, vectors: ownVectors, wire: wire) : nil
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
        let rest = (early?.added ?? 0)..<layout.count
        wire.round(vector(buffer) + rest.lowerBound, vector(buffer) + rest.lowerBound, rest.count)
      case .add(let buffer, let target):
        add(vector(buffer), to: vector(target), wire: index == round.fold.lastOfTree ? .float32 : wire)
      }
    }
    phase(.communication)
    try memory.window?.meet()
    let sent = early?.sent ?? 0
    round.prepareMessages(riders: riderPlaces.base, sent: sent)
    try start(round.sends[sent...], [])
    if memory.groups.ranges.count > 1 { try communicator.finishExchanges() }
    round.unpack()
    phase(.compute)
    return SummedRiders(values: UnsafePointer(round.riders(places: riderPlaces.base)))
  }

  /// Adds what has not been added early, and the riders as they are.
  private func add(
    _ vector: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, wire: WireFormat
  ) {
    let rest = (early?.added ?? 0)..<layout.count
    wire.add(
      target + rest.lowerBound, vector + rest.lowerBound, target + rest.lowerBound, rest.count)
    let riders = layout.riders
    lockstep_add(
      target + riders.lowerBound, vector + riders.lowerBound, target + riders.lowerBound, riders.count)
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
    sharing.pack()
    try exchange(sharing.sends, sharing.receives)
    sharing.unpack()
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
