import Autodiff
import TensorCore

/// A row of a table for each token: [batch, …] of whole numbers → [batch, …, width].
///
/// Parameter as PyTorch's `Embedding`: `weight` [vocabulary, width], N(0, 1) at first.
public struct Embedding: Layer {
  public let name: String
  public let vocabulary: Int
  public let width: Int
  public let initialValue: Distribution

  public init(
    _ name: String, vocabulary: Int, width: Int,
    initialValue: Distribution = .normal(mean: 0, standardDeviation: 1)
  ) {
    precondition(vocabulary > 0 && width > 0, "\(name): an embedding has a vocabulary and a width")
    self.name = name
    self.vocabulary = vocabulary
    self.width = width
    self.initialValue = initialValue
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.embedding(x, table(in: &graph))
  }

  /// Declares the table, for models that use it a second time.
  func table(in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      try graph.parameter("weight", [vocabulary, width], initialValue: initialValue)
    }
  }
}
