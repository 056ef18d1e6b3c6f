import Autodiff
import TensorCore

/// A model of the next token that reads a text step by step: tokens [batch, steps] → logits [batch, steps, vocabulary].
///
/// Parameters: `emb.weight` [vocabulary, width], those of `rnn` as PyTorch's recurrent layers have them, `head.weight`
/// [vocabulary, width], `head.bias`.
public struct RecurrentLanguageModel: Layer {
  public let vocabulary: Int
  public let cell: RecurrentCell
  public let width: Int
  public let layers: Int
  public let dropout: Double

  /// - Parameters:
  ///   - width: of the embedding and of the hidden state.
  ///   - dropout: between recurrent layers.
  public init(vocabulary: Int, cell: RecurrentCell, width: Int, layers: Int = 2, dropout: Double = 0) {
    self.vocabulary = vocabulary
    self.cell = cell
    self.width = width
    self.layers = layers
    self.dropout = dropout
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    let embedded = try Embedding("emb", vocabulary: vocabulary, width: width)(x, in: &graph)
    let network = RecurrentNetwork("rnn", cell, width, width, layers: layers, dropout: dropout)
    let states = try network(embedded, in: &graph)
    return try graph.alongRows(of: states) { rows, graph throws(GraphError) in
      try Dense("head", width, vocabulary)(rows, in: &graph)
    }
  }
}
