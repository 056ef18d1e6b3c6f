import Autodiff
import TensorCore

/// A model of the next token, from learned positions and blocks in which each token reads the earlier ones:
/// tokens [batch, time] → logits [batch, time, vocabulary], for any time up to the context. Radford et al.
/// 2019.
///
/// Parameters: `tok.weight` [vocabulary, width], `pos` [context, width], `blocks.0.n1.weight`, …,
/// `norm.weight`, `norm.bias`, and `head.weight` [vocabulary, width] where the head is not tied to the
/// tokens' table.
public struct GPT: Layer {
  public let vocabulary: Int
  public let context: Int
  public let width: Int
  public let blocks: [TransformerBlock]
  /// Whether the tokens' table is the head's weight, too.
  public let tiesWeights: Bool
  /// Of the embedded tokens, and of each half of each block.
  public let dropout: Double
  /// The token that fills up short sequences: nobody attends to it. Its own logits are to be left out of the
  /// loss.
  public let paddingToken: Int?
  private let tokens: Embedding
  private let initialValue: InitialValue

  /// - Parameter initialValue: of all dense layers. With `smallNormal` that of the tokens' table as well,
  ///   which otherwise begins as N(0, 1); positions begin as N(0, 0.02) always.
  public init(
    vocabulary: Int, context: Int, width: Int, layers: Int, heads: Int, tiesWeights: Bool = false,
    dropout: Double = 0, paddingToken: Int? = nil, initialValue: InitialValue = .pytorch
  ) {
    precondition(vocabulary > 0 && context > 0 && layers > 0, "a GPT has tokens, a context and layers")
    self.vocabulary = vocabulary
    self.context = context
    self.width = width
    self.tiesWeights = tiesWeights
    self.dropout = dropout
    self.paddingToken = paddingToken
    self.initialValue = initialValue
    tokens = Embedding(
      "tok", vocabulary: vocabulary, width: width,
      initialValue: .normal(mean: 0, standardDeviation: initialValue == .smallNormal ? 0.02 : 1))
    blocks = (0..<layers).map {
      TransformerBlock("blocks.\($0)", width, heads: heads, dropout: dropout, initialValue: initialValue)
    }
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    let shape = graph.shape(of: x)
    guard shape.rank == 2, shape[1] <= context else {
      throw GraphError(
        at: graph.layer, expected: "tokens [batch, time] of at most \(context) steps, the model's context",
        found: "\(shape)", remedy: "Give shorter sequences, or make the context longer.")
    }
    let mask = paddingToken.map { graph.differs(x, from: Double($0)) }
    let table = try tokens.table(in: &graph)
    let positions = try graph.parameter(
      "pos", [context, width], initialValue: .normal(mean: 0, standardDeviation: 0.02))
    var y = try graph.add(
      graph.embedding(x, table), graph.slice(positions, axis: 0, 0..<shape[1]))
    y = try graph.dropout(y, rate: dropout)
    for block in blocks { y = try block(y, mask: mask, in: &graph) }
    y = try LayerNormalization("norm", width)(y, in: &graph)
    let head = try tiesWeights ? table : headWeight(in: &graph)
    return try graph.alongRows(of: y) { rows, graph throws(GraphError) in
      try graph.matrixProduct(rows, head, transposeB: true)
    }
  }

  private func headWeight(in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope("head") { graph throws(GraphError) in
      try graph.parameter(
        "weight", [vocabulary, width], initialValue: initialValue.weight(fanIn: width, fanOut: vocabulary))
    }
  }
}
