import TensorCore

/// Turns placed nodes into instructions.
struct Emitter {
  private struct Draft {
    var operation: Operation
    var result: Slot
    var operands: [Slot]
    var count: Int
    var extents: (Int, Int, Int)
    var name: String
    var operationCount = 0
    var bytes = 0
  }

  private let graph: Graph
  private let slots: [Slot?]
  private var drafts: [Draft] = []

  init(graph: Graph, slots: [Slot?]) {
    self.graph = graph
    self.slots = slots
  }

  mutating func emit(_ node: Node) {
    let record = graph.records[node.index]
    // A view moves no data: its result has a place within its operand's.
    if case .view = record.operation { return }
    guard let result = slots[node.index] else { preconditionFailure("node \(node.index) has no place") }
    let operands = record.operands.map { graph.shape(of: $0) }
    let first = operands.first ?? record.shape
    let extents: (Int, Int, Int)
    switch record.operation {
    case .matrixProduct(let transposeA, _, _):
      extents = (record.shape[0], record.shape[1], first[transposeA ? 0 : 1])
    case .reduceSum(let axis): extents = first.extents(around: axis)
    case .broadcast(let axis, _): extents = record.shape.extents(around: axis)
    case .oneHot(let classes): extents = (record.shape.count / classes, classes, 1)
    default:
      let columns = first.dimensions.last ?? 1
      extents = (first.count / columns, columns, 1)
    }
    drafts.append(
      Draft(
        operation: record.operation, result: result, operands: record.operands.compactMap { slots[$0.index] },
        count: record.shape.count, extents: extents,
        name: "\(record.layer): \(record.operation.summary(result: record.shape, operands: operands))",
        operationCount: graph.floatingPointOperations(of: node),
        bytes: record.operation.bytes(result: record.shape, operands: operands)))
  }

  /// A copy: a scale by one.
  mutating func copy(_ node: Node, to slot: Slot) {
    guard let source = slots[node.index] else { preconditionFailure("node \(node.index) has no place") }
    let shape = graph.shape(of: node)
    drafts.append(
      Draft(
        operation: .view(offset: 0), result: slot, operands: [source], count: shape.count,
        extents: (1, shape.count, 1),
        name: "\(graph.records[node.index].layer): copy \(shape)",
        bytes: 2 * MemoryLayout<Float>.stride * shape.count))
  }

  /// - Parameter layout: where gradients lie, if there is a backward pass: each is checked once complete.
  func finish(gradientsOf layout: VectorLayout?) -> (instructions: [Instruction], names: [String]) {
    var instructions: [Instruction] = []
    // The last writer of a gradient's place completes it.
    var completes: [Int: VectorLayout.Entry] = [:]
    for entry in layout?.entries ?? [] {
      let last = drafts.lastIndex { $0.result == Slot(.gradients, entry.offset) }
      guard let last else { preconditionFailure("nothing writes the gradient of \(entry.name)") }
      completes[last] = entry
    }
    var isComplete = Set<Int>()
    for (index, draft) in drafts.enumerated() {
      let completed = completes[index]
      if let completed { isComplete.insert(completed.offset) }
      let firstIncomplete = layout?.entries.first { !isComplete.contains($0.offset) }
      func operand(_ number: Int) -> Slot {
        draft.operands.count > number ? draft.operands[number] : draft.operands.first ?? draft.result
      }
      precondition(draft.operands.count <= 6, "an instruction has at most six operands")
      instructions.append(
        Instruction(
          operation: draft.operation, result: draft.result,
          operands: (operand(0), operand(1), operand(2), operand(3), operand(4), operand(5)),
          count: draft.count, extents: draft.extents, checkedCount: completed?.shape.count ?? 0,
          completedPrefix: firstIncomplete?.offset ?? layout?.count ?? 0,
          floatingPointOperations: draft.operationCount, bytes: draft.bytes))
    }
    return (instructions, drafts.map(\.name))
  }
}
