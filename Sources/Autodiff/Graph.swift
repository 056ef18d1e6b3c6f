import TensorCore

/// A tensor of a graph that is being written, known by its number.
public struct Node: Hashable, Sendable {
  package let index: Int

  package init(_ index: Int) { self.index = index }
}

/// A trained tensor: its name is PyTorch's, the path of its layer and its own name, as `hidden.weight`.
public struct Parameter: Sendable, Equatable {
  public let name: String
  public let shape: Shape
  public let initialValue: Distribution
}

/// A tensor that follows statistics of the batches instead of being trained; saved with the parameters.
public struct Buffer: Sendable, Equatable {
  public let name: String
  public let shape: Shape
  public let initialValue: Distribution
  /// m in new = old + m·(the shards' mean − old), after every step.
  public let momentum: Double
}

/// What a model writes when it is called with a symbolic input: nodes, each made from earlier ones.
///
/// Every shape is known while the graph is written, the batch included, so a mistake is found here, by
/// the layer that makes it. The graph is then turned into a `Plan`; nothing computes on it directly.
public struct Graph: Sendable {
  package struct Record: Sendable {
    package var operation: Operation
    package var operands: [Node]
    package let shape: Shape
    /// The layer that made it, for messages and profiles.
    package let layer: String
  }

  /// Whether the graph of a training step is written, or that of a model that is only used: dropout and
  /// batch normalization differ.
  public let isTraining: Bool

  package internal(set) var records: [Record] = []
  package private(set) var parameters: [Parameter] = []
  package private(set) var buffers: [Buffer] = []
  /// What the buffers with these indices are to follow.
  package private(set) var statistics: [(buffer: Int, node: Node)] = []
  private var parameterNodes: [Node] = []
  private var path: [String] = []
  private var dropouts = 0

  public init(isTraining: Bool = true) { self.isTraining = isTraining }

  /// The shape of a node, the batch first.
  public func shape(of node: Node) -> Shape { records[node.index].shape }

  /// The path of the layer that is being written, for messages.
  package var layer: String { path.isEmpty ? "model" : path.joined(separator: ".") }

  /// Writes what `body` writes under a layer's name; parameters inside are called `name.…`.
  public mutating func scope<Result>(
    _ name: String, _ body: (inout Graph) throws(GraphError) -> Result
  ) throws(GraphError) -> Result {
    path.append(name)
    defer { path.removeLast() }
    return try body(&self)
  }

  /// Declares a trained tensor of the layer that is being written.
  public mutating func parameter(
    _ name: String, _ shape: Shape, initialValue: Distribution
  ) throws(GraphError) -> Node {
    let fullName = try newName(name)
    parameters.append(Parameter(name: fullName, shape: shape, initialValue: initialValue))
    let node = append(.parameter(parameters.count - 1), [], shape)
    parameterNodes.append(node)
    return node
  }

  /// Declares a tensor of the layer that is being written that is not trained, as a running mean.
  public mutating func buffer(
    _ name: String, _ shape: Shape, initialValue: Distribution, momentum: Double
  ) throws(GraphError) -> Node {
    let fullName = try newName(name)
    buffers.append(Buffer(name: fullName, shape: shape, initialValue: initialValue, momentum: momentum))
    return append(.buffer(buffers.count - 1), [], shape)
  }

  /// Hands in this shard's statistic, which `buffer` is to follow: the mean over all shards of a step.
  public mutating func record(statistic: Node, for buffer: Node) {
    guard case .buffer(let index) = records[buffer.index].operation else {
      preconditionFailure("statistics are recorded for buffers")
    }
    precondition(shape(of: statistic) == shape(of: buffer), "a statistic has its buffer's shape")
    statistics.append((index, statistic))
  }

  private func newName(_ name: String) throws(GraphError) -> String {
    let fullName = (path + [name]).joined(separator: ".")
    guard !parameters.contains(where: { $0.name == fullName }),
      !buffers.contains(where: { $0.name == fullName })
    else {
      throw GraphError(
        at: layer, expected: "parameters with names of their own", found: "two called \(fullName)",
        remedy: "Give the layers different names; to share a parameter, use its node twice.")
    }
    return fullName
  }

  /// A number for each dropout of a model, the same in every graph of it.
  package mutating func nextDropout() -> UInt64 {
    dropouts += 1
    return UInt64(dropouts)
  }

  /// The samples of a pass, [batch, …].
  public mutating func input(_ shape: Shape) -> Node { append(.input, [], shape) }

  /// The values to predict, [batch, …].
  public mutating func target(_ shape: Shape) -> Node { append(.target, [], shape) }

  /// The class of each sample, [batch], or the classes, [batch · so many].
  public mutating func labels(batch: Int) -> Node { append(.labels, [], [batch]) }

  /// How much each sample counts, [batch].
  public mutating func weights(batch: Int) -> Node { append(.weights, [], [batch]) }

  /// Takes over nodes that were written anew.
  ///
  /// - Parameter numbers: by a node's old number its new one.
  mutating func replaceRecords(_ new: [Record], numbers: [Node]) {
    records = new
    parameterNodes = parameterNodes.map { numbers[$0.index] }
    statistics = statistics.map { ($0.buffer, numbers[$0.node.index]) }
  }

  package func node(ofParameter index: Int) -> Node { parameterNodes[index] }

  package mutating func append(_ operation: Operation, _ operands: [Node], _ shape: Shape) -> Node {
    append(operation, operands, shape, layer: layer)
  }

  package mutating func append(
    _ operation: Operation, _ operands: [Node], _ shape: Shape, layer: String
  ) -> Node {
    records.append(Record(operation: operation, operands: operands, shape: shape, layer: layer))
    return Node(records.count - 1)
  }
}
