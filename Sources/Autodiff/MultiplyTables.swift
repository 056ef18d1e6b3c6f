import TensorCore

extension Graph {
  /// embedding(tokens, table) · weight + bias → embedding(tokens, table · weight + bias): where a table has fewer rows
  /// than are taken of it, the product of the table is the smaller one. Its gradients follow by themselves: rows of the
  /// arriving gradient are first added up by token, and two small products are left.
  ///
  /// Between the embedding and the product, rows may change places, as batch and time do. Whether a product is changed
  /// depends on the model alone, so that its plans for all batches have their gradients in one order: it is where the
  /// table has at most twice as many rows as a sample takes.
  ///
  /// Node numbers change; the result holds the new number of each node.
  mutating func multiplyTables() -> [Node] {
    guard records.contains(where: { if case .embedding = $0.operation { true } else { false } }) else {
      return records.indices.map(Node.init)
    }
    var pass = TablePass(self)
    for index in records.indices { pass.write(records[index]) }
    replaceRecords(pass.records, numbers: pass.numbers)
    return pass.numbers
  }

  /// What rows are taken of where x [rows, width] holds rows of a table, and nothing else: the whole embedding, and how
  /// its rows changed places since, the last time first.
  fileprivate func lookup(behind x: Node) -> (embedding: Record, moves: [TransposeForm])? {
    var (node, moves): (Node, [TransposeForm]) = (x, [])
    while true {
      let record = records[node.index]
      switch record.operation {
      case .view where record.shape.count == shape(of: record.operands[0]).count: break
      case .transpose(var form) where form.inner % shape(of: x)[1] == 0:
        form.inner /= shape(of: x)[1]
        moves.append(form)
      case .embedding(let form) where form.width == shape(of: x)[1]: return (record, moves)
      default: return nil
      }
      node = record.operands[0]
    }
  }
}

/// A graph that is written anew, with tables multiplied before rows are taken of them.
private struct TablePass {
  private(set) var records: [Graph.Record] = []
  /// By the old number: the new one.
  private(set) var numbers: [Node] = []
  private let graph: Graph
  /// By the new number of an embedding: the product that is its table.
  private var products: [Node: Node] = [:]

  init(_ graph: Graph) { self.graph = graph }

  mutating func write(_ record: Graph.Record) {
    if let node = writeProduct(record) ?? writeBias(record) { return numbers.append(node) }
    var record = record
    record.operands = record.operands.map { numbers[$0.index] }
    records.append(record)
    numbers.append(Node(records.count - 1))
  }

  /// product(rows of a table, weight)
  private mutating func writeProduct(_ record: Graph.Record) -> Node? {
    guard case .matrixProduct(false, let transposeB, .none) = record.operation,
      let (embedding, moves) = graph.lookup(behind: record.operands[0]),
      case .embedding(var form) = embedding.operation
    else { return nil }
    let indices = graph.shape(of: embedding.operands[0])
    guard form.vocabulary <= 2 * indices.count / max(indices.dimensions.first ?? 1, 1) else { return nil }
    var tokens = numbers[embedding.operands[0].index]
    for move in moves.reversed() { tokens = append(.transpose(move), [tokens], [form.rows], record.layer) }
    form.width = record.shape[1]
    let product = append(
      .matrixProduct(transposeA: false, transposeB: transposeB, epilogue: .none),
      [numbers[embedding.operands[1].index], numbers[record.operands[1].index]],
      [form.vocabulary, form.width], record.layer)
    return take(form, tokens, of: product, record)
  }

  /// add(such a product, broadcast(bias, axis 0))
  private mutating func writeBias(_ record: Graph.Record) -> Node? {
    guard case .add = record.operation, let product = products[numbers[record.operands[0].index]],
      case .embedding(let form) = records[numbers[record.operands[0].index].index].operation,
      case .broadcast(axis: 0, _) = graph.records[record.operands[1].index].operation
    else { return nil }
    let tokens = records[numbers[record.operands[0].index].index].operands[0]
    let bias = graph.records[record.operands[1].index].operands[0]
    guard graph.shape(of: bias) == [form.width] else { return nil }
    let shape: Shape = [form.vocabulary, form.width]
    let repeated = append(
      .broadcast(axis: 0, count: form.vocabulary), [numbers[bias.index]], shape, record.layer)
    return take(form, tokens, of: append(.add, [product, repeated], shape, record.layer), record)
  }

  private mutating func take(
    _ form: EmbeddingForm, _ tokens: Node, of product: Node, _ record: Graph.Record
  ) -> Node {
    let node = append(.embedding(form), [tokens, product], record.shape, record.layer)
    products[node] = product
    return node
  }

  private mutating func append(
    _ operation: Operation, _ operands: [Node], _ shape: Shape, _ layer: String
  ) -> Node {
    records.append(Graph.Record(operation: operation, operands: operands, shape: shape, layer: layer))
    return Node(records.count - 1)
  }
}
