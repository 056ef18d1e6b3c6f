import TensorCore

extension Graph {
  /// Writes the backward pass so that it computes large results of cheap operations anew, instead of keeping them
  /// since the forward pass: an activation, or a normalization of rows, of what is kept in any case.
  ///
  /// A tensor that no cache holds comes back from memory at about the speed at which it is computed anew, so the
  /// time is about the same. Node numbers change: the result holds the new number of each node.
  ///
  /// - Parameters:
  ///   - backward: the first node of the backward pass.
  ///   - outputs: what a plan is asked for, which is kept.
  ///   - smallest: elements of the smallest tensors that are computed anew.
  package mutating func recompute(
    inBackwardFrom backward: Node, outputs: [Node], smallest: Int = 1 << 19
  ) -> [Node] {
    let pass = RecomputePass(self, backward: backward.index, outputs: outputs, smallest: smallest)
    guard !pass.chosen.isEmpty else { return records.indices.map(Node.init) }
    let (new, numbers) = pass.rewritten()
    replaceRecords(new, numbers: numbers)
    return numbers
  }
}

private struct RecomputePass {
  private let graph: Graph
  /// The number of the first node of the backward pass.
  private let backward: Int
  /// The nodes that are computed a second time.
  private(set) var chosen: Set<Int> = []
  /// The nodes that the outputs need.
  private let needed: Set<Int>

  init(_ graph: Graph, backward: Int, outputs: [Node], smallest: Int) {
    self.graph = graph
    self.backward = backward
    needed = Set(graph.order(outputs: outputs).map(\.index))
    let (first, last) = Self.readers(in: graph, needed.filter { $0 >= backward }.sorted())
    let kept = Set(outputs.map { Self.source(of: $0.index, in: graph) })
    for (index, record) in graph.records.prefix(backward).enumerated() {
      guard record.operation.isCheap, record.shape.count >= smallest, !kept.contains(index),
        let place = first[index]
      else { continue }
      let isKept = { (operand: Node) in
        let source = Self.source(of: operand.index, in: graph)
        return graph.records[source].operation.isLeaf || last[source, default: -1] >= place
      }
      if record.operands.allSatisfy(isKept) { chosen.insert(index) }
    }
  }

  /// The first and the last of some nodes to read each tensor, through views.
  private static func readers(in graph: Graph, _ nodes: [Int]) -> (first: [Int: Int], last: [Int: Int]) {
    var (first, last): ([Int: Int], [Int: Int]) = ([:], [:])
    for node in nodes where !graph.records[node].operation.isView {
      for operand in graph.records[node].operands {
        let source = source(of: operand.index, in: graph)
        first[source] = first[source] ?? node
        last[source] = node
      }
    }
    return (first, last)
  }

  /// The node whose elements a view shows.
  private static func source(of index: Int, in graph: Graph) -> Int {
    var index = index
    while graph.records[index].operation.isView { index = graph.records[index].operands[0].index }
    return index
  }

  /// The records with a second computation of each chosen node before its first reader in the backward pass.
  func rewritten() -> (records: [Graph.Record], numbers: [Node]) {
    var records: [Graph.Record] = []
    var numbers: [Node] = []
    // By the old number of a chosen node, or of a view of one: the new number of its second computation.
    var again: [Int: Node] = [:]

    func append(_ record: Graph.Record, _ operands: [Node]) -> Node {
      var record = record
      record.operands = operands
      records.append(record)
      return Node(records.count - 1)
    }
    func second(_ index: Int) -> Node {
      if let known = again[index] { return known }
      let record = graph.records[index]
      let operands =
        chosen.contains(index) ? record.operands.map { operand($0) } : [second(record.operands[0].index)]
      let node = append(record, operands)
      again[index] = node
      return node
    }
    func operand(_ node: Node) -> Node {
      node.index < backward && chosen.contains(Self.source(of: node.index, in: graph))
        ? second(node.index) : numbers[node.index]
    }
    for (index, record) in graph.records.enumerated() {
      let readsAgain = index >= backward && needed.contains(index)
      let operands = record.operands.map { readsAgain ? operand($0) : numbers[$0.index] }
      numbers.append(append(record, operands))
    }
    return (records, numbers)
  }
}

extension Operation {
  fileprivate var isView: Bool { if case .view = self { true } else { false } }

  /// Whether it passes over its operand once or twice, and always gives the same.
  fileprivate var isCheap: Bool {
    switch self {
    case .activation, .rowNormalization: true
    default: false
    }
  }
}
