import CKernels
import MessagePassing
import TensorCore

/// What the owners of slices do with the partials of one size of batch, worked out before the first step: which pointers
/// are added in which order, and what travels between groups of ranks that share no memory.
struct OwnerRound {
  /// What all sizes of batch have in common.
  struct Plan {
    let rank: Int
    let groups: RankGroups
    let slices: Slices
    let layout: VectorLayout
    let shards: Shards
    /// Of each rank.
    let runs: [Range<Int>]
    /// The gradient vectors of each rank of this rank's group.
    let vectors: [UnsafeMutablePointer<Float>]
    /// Numbers of a message, at most.
    let messageLength: Int
    let wire: WireFormat

    var group: Int { groups.index(of: rank) }
    var owned: Range<Int> { slices.elements[rank] }
  }

  /// One partial, or what a whole group has added up, of the slice that this rank owns.
  private struct Part {
    let node: Range<Int>
    /// Of the element 0 of the whole vector, even where only the slice is there.
    let origin: UnsafeMutablePointer<Float>
    let riders: UnsafeMutablePointer<Float>
  }

  /// What this rank's group has added up of a slice that a rank of another group owns, in the memory of a partial.
  private struct Delivery {
    let slice: Range<Int>
    let additions: [TreeAddition]
  }

  /// How this rank computes its own shards.
  let fold: LocalFold
  /// What is sent to other groups: the gradients of all of `pieces`, then the riders.
  private(set) var sends: [Message] = []
  private(set) var receives: [Message] = []
  /// The same of `sends` and of `receives`, without riders, where numbers travel packed.
  private var packedSends: [PackedNumbers] = []
  private var packedReceives: [PackedNumbers] = []
  /// Slices of other groups' owners in the parts in which they travel, in the vector's order.
  private(set) var pieces: [Piece] = []

  /// A part of a slice, and its place among `sends`: a message for each node.
  struct Piece {
    let elements: Range<Int>
    let messages: Range<Int>
  }

  private let riderCount: Int
  /// The partials of all ranks of the group, and the sums of nodes that the group makes of them.
  private let local: [Part]
  private var deliveries: [Delivery] = []
  private let groupAdditions: [TreeAddition]
  /// Where the riders of the group's sums are put together, to be sent.
  private let groupRiders: [UnsafeMutablePointer<Float>]
  /// Everything that is added up for the owned slice.
  private var parts: [Part] = []
  private let addition: TreeAddition

  var placeCount: Int { addition.placeCount }
  var riderPlaceCount: Int { max(addition.placeCount, groupAdditions.map(\.placeCount).max() ?? 0) }
}

extension OwnerRound.Plan {
  /// Cuts a slice as it travels, on its owner's side and on its courier's alike.
  func pieces(of slice: Range<Int>) -> [Range<Int>] {
    stride(from: slice.lowerBound, to: slice.upperBound, by: messageLength).map {
      $0..<min($0 + messageLength, slice.upperBound)
    }
  }

  /// The sums that a group makes by itself: the tree's nodes within its run of shards that have samples.
  func nodes(ofGroup group: Int, _ folds: [LocalFold]) -> [Range<Int>] {
    let ranks = groups.ranges[group]
    let run = runs[ranks.lowerBound].lowerBound..<runs[ranks.upperBound - 1].upperBound
    let partials = folds[ranks].flatMap { $0.partials.map(\.node) }
    var nodes = CanonicalTree.nodes(within: run, shards: shards.count)
    // The sum of all is not rounded, and so does not travel: of a group that has all shards its two halves do.
    if wire != .float32, groups.ranges.count > 1, nodes == [0..<shards.count],
      let middle = CanonicalTree.split(0..<shards.count)
    {
      nodes = [0..<middle, middle..<shards.count]
    }
    return nodes.filter { node in
      partials.contains { !$0.clamped(to: node).isEmpty }
    }
  }

  /// Floats of the memory in which an `OwnerRound` receives messages and puts riders together.
  func receivedCount(_ folds: [LocalFold]) -> Int {
    groups.ranges.indices.reduce(0) { sum, group in
      let foreign = owned.count + (wire == .float32 ? 0 : wire.length(of: owned.count))
      let length = (group == self.group ? 0 : foreign) + layout.riders.count
      return sum + nodes(ofGroup: group, folds).count * length
    }
  }

  /// Floats of the memory in which what it sends to other groups is packed.
  func packedCount(_ folds: [LocalFold]) -> Int {
    guard wire != .float32, groups.ranges.count > 1 else { return 0 }
    let numbers = groups.ownersServed(by: rank).reduce(0) { $0 + slices.elements[$1].count }
    return nodes(ofGroup: group, folds).count * wire.length(of: numbers)
  }
}

extension OwnerRound {
  /// - Parameters:
  ///   - folds: every rank's.
  ///   - received: room for `plan.receivedCount`.
  ///   - packed: room for `plan.packedCount`.
  init(
    _ plan: Plan, folds: [LocalFold], received: UnsafeMutablePointer<Float>,
    packed: UnsafeMutablePointer<Float>
  ) {
    let (layout, group, owned) = (plan.layout, plan.group, plan.owned)
    let ranks = plan.groups.ranges[group]
    fold = folds[plan.rank]
    riderCount = layout.riders.count
    let local = zip(plan.vectors, folds[ranks]).flatMap { vectors, fold in
      fold.partials.map { partial in
        let origin = vectors + partial.buffer * layout.gradientCount
        return Part(node: partial.node, origin: origin, riders: origin + layout.riders.lowerBound)
      }
    }
    self.local = local

    var place = received
    var parts = local
    for other in plan.groups.ranges.indices where other != group {
      let courier = plan.groups.courier(in: other, forOwner: plan.rank)
      let first = parts.count
      for node in plan.nodes(ofGroup: other, folds) {
        let riders = place + owned.count
        parts.append(Part(node: node, origin: place - owned.lowerBound, riders: riders))
        place = riders + riderCount
      }
      for piece in plan.pieces(of: owned) {
        for part in parts[first...] {
          let start = part.origin + piece.lowerBound
          guard plan.wire == .bfloat16 else {
            receives.append(Message(peer: courier, memory: .init(start: start, count: piece.count)))
            continue
          }
          let numbers = PackedNumbers(values: start, count: piece.count, packed: place)
          packedReceives.append(numbers)
          receives.append(numbers.message(with: courier))
          place += plan.wire.length(of: piece.count)
        }
      }
      for part in parts[first...] {
        receives.append(Message(peer: courier, memory: .init(start: part.riders, count: riderCount)))
      }
    }
    self.parts = parts
    func makeAddition(_ node: Range<Int>, of parts: [Part]) -> TreeAddition {
      TreeAddition(node, of: parts.map(\.node), shards: plan.shards.count, wire: plan.wire)
    }
    addition = makeAddition(0..<plan.shards.count, of: parts)

    let isAlone = plan.groups.ranges.count == 1
    let nodes = isAlone ? [] : plan.nodes(ofGroup: group, folds)
    let groupAdditions = nodes.map { makeAddition($0, of: local) }
    let groupRiders = nodes.indices.map { [riderCount] in place + $0 * riderCount }
    (self.groupAdditions, self.groupRiders) = (groupAdditions, groupRiders)
    let served = isAlone ? [] : plan.groups.ownersServed(by: plan.rank)
    var free = packed
    for owner in served {
      let slice = plan.slices.elements[owner]
      deliveries.append(Delivery(slice: slice, additions: groupAdditions))
      for elements in plan.pieces(of: slice) {
        let first = sends.count
        for addition in groupAdditions {
          let memory = local[addition.holder].origin + elements.lowerBound
          guard plan.wire == .bfloat16 else {
            sends.append(Message(peer: owner, memory: .init(start: memory, count: elements.count)))
            continue
          }
          let numbers = PackedNumbers(values: memory, count: elements.count, packed: free)
          packedSends.append(numbers)
          sends.append(numbers.message(with: owner))
          free += plan.wire.length(of: elements.count)
        }
        pieces.append(Piece(elements: elements, messages: first..<sends.count))
      }
    }
    for owner in served {
      for riders in groupRiders {
        sends.append(Message(peer: owner, memory: .init(start: riders, count: riderCount)))
      }
    }
  }

  /// Puts together what is sent to other groups. The partials' memory of slices that this rank carries is nobody
  /// else's to read.
  ///
  /// - Parameter sent: the first so many of `sends` are on their way already.
  func prepareMessages(riders places: UnsafeMutablePointer<Float>, sent: Int) {
    for (addition, target) in zip(groupAdditions, groupRiders) where !deliveries.isEmpty {
      let sum = addition.run(count: riderCount, places: places, stride: riderCount, exactly: true) {
        local[$0].riders
      }
      target.update(from: sum.sum, count: riderCount)
    }
    for delivery in deliveries where !delivery.slice.isEmpty {
      for addition in delivery.additions {
        _ = addition.runInPlace(count: delivery.slice.count) { local[$0].origin + delivery.slice.lowerBound }
      }
    }
    pack(sent..<max(sent, packedSends.count))
  }

  /// Where numbers travel packed: packs those of some of `sends`, which are summed.
  func pack(_ messages: Range<Int>) {
    guard !packedSends.isEmpty else { return }
    for numbers in packedSends[messages] { numbers.pack() }
  }

  /// Where numbers travel packed: unpacks what has come.
  func unpack() { for numbers in packedReceives { numbers.unpack() } }

  /// The riders over all shards.
  func riders(places: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    addition.run(count: riderCount, places: places, stride: riderCount, exactly: true) {
      parts[$0].riders
    }.sum
  }

  /// The sums of some elements of the owned slice.
  func gradients(
    from first: Int, _ count: Int, places: UnsafeMutablePointer<Float>, leavesRest: Bool
  ) -> GradientTerms {
    addition.run(count: count, places: places, stride: OwnerSum.pieceLength, leavesRest: leavesRest) {
      parts[$0].origin + first
    }
  }

  /// The sums of all of the owned slice, in a partial's memory.
  func gradientsInPlace(_ owned: Range<Int>) -> UnsafeMutablePointer<Float> {
    addition.runInPlace(count: owned.count) { parts[$0].origin + owned.lowerBound }
  }
}
