import Averaging
import Checkpoints
import MessagePassing
import TensorCore

/// Compares what several ranks hold each for themselves and what must be the same: the weights and buffers, once for
/// every memory that they lie in, and the optimizer's state where all ranks have all of it.
///
/// Ranks exchange one digest each. Only where these differ do they look for the tensor.
package struct ReplicaAudit {
  /// A copy that differs.
  package struct Difference: Equatable, Sendable {
    /// The ranks whose copies differ from most others'; where no side is larger, from that of the first rank.
    package let ranks: [Int]
    /// The first tensor of which they do.
    package let tensor: String
  }

  private let trainer: Trainer

  package init(trainer: Trainer) { self.trainer = trainer }

  private var sum: any GradientSum { trainer.synchronized.sum }
  private var layout: VectorLayout { trainer.objective.layout }
  private var holdsCopy: Bool { sum.writesForAll }

  /// Everything that is compared, in a fixed order.
  private var tensors: [(name: String, bytes: UnsafeRawBufferPointer)] {
    var tensors = layout.allEntries.map {
      (name: $0.name, bytes: UnsafeRawBufferPointer(trainer.parameters.buffer($0.range)))
    }
    // Workers that train by themselves have states of their own.
    guard sum.slices.elements.count == 1, trainer.periodic == nil else { return tensors }
    let state = trainer.synchronized.state
    for (name, vector) in zip(state.names, state.vectors) {
      tensors += layout.entries.map {
        ("\($0.name).\(name)", UnsafeRawBufferPointer(vector.buffer($0.range)))
      }
    }
    return tensors
  }

  /// All ranks call it, and all get the same; nil where all copies are alike.
  package func difference() throws -> Difference? {
    let communicator = trainer.communicator
    guard communicator.size > 1 else { return nil }
    let tensors = holdsCopy ? tensors : []
    var whole = DigestStream()
    for tensor in tensors { whole.update(tensor.bytes) }
    let mine = holdsCopy ? whole.digest.description : ""
    let all = try communicator.allgather(bytes: Array(mine.utf8))
    let holders = all.indices.filter { !all[$0].isEmpty }
    guard Set(holders.map { all[$0] }).count > 1 else { return nil }

    let each = try communicator.allgather(
      bytes: tensors.flatMap { Array(Digest128(of: $0.bytes).description.utf8) })
    let groups = groupRanks(by: holders.map { all[$0] })
    let largest = groups.map(\.ranks.count).max() ?? 0
    // Groups come in the order of their first ranks: of equal ones that with the first is taken for right.
    guard let right = groups.first(where: { $0.ranks.count == largest })?.ranks.first.map({ holders[$0] })
    else {
      return nil
    }
    let wrong = holders.filter { all[$0] != all[right] }
    let length = 32
    let count = each[right].count / length
    let index = (0..<count).first { index in
      let place = index * length..<(index + 1) * length
      return wrong.contains { each[$0].count < place.upperBound || each[$0][place] != each[right][place] }
    }
    // Rank 0 has them for certain, and tells.
    let names = try communicator.allgather(bytes: Array((tensors[checked: index]?.name ?? "unknown").utf8))
    return Difference(ranks: wrong, tensor: String(decoding: names[holders[0]], as: UTF8.self))
  }
}

extension Array {
  fileprivate subscript(checked index: Int?) -> Element? {
    guard let index, indices.contains(index) else { return nil }
    return self[index]
  }
}
