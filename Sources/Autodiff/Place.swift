import TensorCore

/// Decides where every tensor of an ordered graph lies.
///
/// Results that a plan was asked for have places of their own, and are written straight there. All others
/// share one activation arena: a tensor's memory is taken again once its last reader has run.
struct Placement {
  /// The slot of each node, by its number; `nil` for labels and for nodes that are not computed.
  private(set) var slots: [Slot?]
  /// The room that activations need, in elements.
  private(set) var activationCount = 0

  private let graph: Graph
  private let order: [Node]
  /// Nodes that share a place: a view with its operand, an element-wise result with an operand that
  /// nothing else reads any more. Each points to an earlier one, or to itself.
  private var origin: [Int]
  /// How far behind the beginning of its origin a node's tensor begins.
  private var offset: [Int]

  /// - Parameters:
  ///   - parameters: where each parameter lies.
  ///   - buffers: where each buffer lies.
  ///   - outputs: nodes with places of their own.
  ///   - keepsAll: whether every tensor keeps its memory to the end, to be inspected.
  init(
    _ graph: Graph, order: [Node], parameters: [Slot], buffers: [Slot], outputs: [(node: Node, slot: Slot)],
    keepsAll: Bool
  ) {
    self.graph = graph
    self.order = order
    slots = Array(repeating: nil, count: graph.records.count)
    origin = Array(graph.records.indices)
    offset = Array(repeating: 0, count: graph.records.count)

    for (index, record) in graph.records.enumerated() {
      switch record.operation {
      case .input: slots[index] = Slot(.inputs, 0)
      case .weights: slots[index] = Slot(.weights, 0)
      case .buffer(let buffer): slots[index] = buffers[buffer]
      case .target: slots[index] = Slot(.targets, 0)
      case .parameter(let parameter): slots[index] = parameters[parameter]
      case .view(let start):
        let operand = record.operands[0].index
        origin[index] = origin[operand]
        offset[index] = offset[operand] + start
      default: break
      }
    }
    for output in outputs {
      let source = origin[output.node.index]
      // Of two outputs of one tensor, of one that is a leaf, and of a part of one, the plan makes copies.
      if slots[source] == nil, !graph.records[source].operation.isLeaf,
        graph.records[source].shape.count == graph.shape(of: output.node).count
      {
        slots[source] = output.slot
      }
    }
    placeActivations(keepsAll: keepsAll)
    for index in slots.indices where slots[index] == nil {
      slots[index] = slots[origin[index]].map { Slot($0.arena, $0.offset + offset[index]) }
    }
  }

  private mutating func placeActivations(keepsAll: Bool) {
    // The position in the order at which a tensor is last read.
    var lastRead: [Int: Int] = [:]
    for (position, node) in order.enumerated() {
      for operand in graph.records[node.index].operands { lastRead[origin[operand.index]] = position }
    }

    var tensors: [(source: Int, size: Int, life: ClosedRange<Int>)] = []
    var tensorOf: [Int: Int] = [:]
    for (position, node) in order.enumerated() {
      let record = graph.records[node.index]
      guard origin[node.index] == node.index, slots[node.index] == nil else { continue }
      let end = keepsAll ? order.count : max(lastRead[node.index] ?? position, position)
      if !keepsAll,
        let operand = record.operation.overwritableOperands.lazy.filter({ $0 < record.operands.count })
          .map({ record.operands[$0] }).first(where: { operand in
            let source = origin[operand.index]
            return tensorOf[source] != nil && lastRead[source] == position
              && graph.records[source].shape.count == record.shape.count
          }), let tensor = tensorOf[origin[operand.index]]
      {
        redirect(node.index, to: origin[operand.index])
        tensors[tensor].life = tensors[tensor].life.lowerBound...end
        lastRead[origin[node.index]] = end
        continue
      }
      tensorOf[node.index] = tensors.count
      tensors.append((node.index, record.shape.count.alignedToVector, position...end))
    }

    // Largest first, each at the lowest place that no tensor alive at the same time holds.
    var placed: [(range: Range<Int>, life: ClosedRange<Int>)] = []
    for tensor in tensors.sorted(by: { ($0.size, -$0.source) > ($1.size, -$1.source) }) {
      var offset = 0
      for other in placed.filter({ $0.life.overlaps(tensor.life) })
        .sorted(by: { $0.range.lowerBound < $1.range.lowerBound })
      where other.range.lowerBound < offset + tensor.size {
        offset = max(offset, other.range.upperBound)
      }
      placed.append((offset..<offset + tensor.size, tensor.life))
      activationCount = max(activationCount, offset + tensor.size)
      slots[tensor.source] = Slot(.activations, offset)
    }
  }

  private mutating func redirect(_ node: Int, to source: Int) {
    for index in origin.indices where origin[index] == node { origin[index] = source }
  }
}
