import Autodiff
import TensorCore

/// A transformer's block with the normalization before each half (Radford et al. 2019): y = x +
/// attention(norm(x)), then y + down(activation(up(norm(y)))), x [batch, time, width].
///
/// Parameters: `n1`, `n2` (layer normalization), `at.qkv`, `at.proj`, `up`, `dn` (dense), a `weight` and a
/// `bias` each.
public struct TransformerBlock: Layer {
  public let name: String
  public let width: Int
  /// Of each half's result, before it is added.
  public let dropout: Double
  private let normalizations: (LayerNormalization, LayerNormalization)
  private let attention: MultiHeadAttention
  private let up: Dense
  private let down: Dense

  /// - Parameter hiddenWidth: of the second half; four times the width if not given.
  public init(
    _ name: String, _ width: Int, heads: Int, hiddenWidth: Int? = nil, activation: Activation = .gelu,
    isCausal: Bool = true, dropout: Double = 0, initialValue: InitialValue = .pytorch
  ) {
    self.name = name
    self.width = width
    self.dropout = dropout
    normalizations = (LayerNormalization("n1", width), LayerNormalization("n2", width))
    attention = MultiHeadAttention(
      "at", width, heads: heads, isCausal: isCausal, naming: .projections, initialValue: initialValue)
    let hidden = hiddenWidth ?? 4 * width
    up = Dense("up", width, hidden, activation: activation, initialValue: initialValue)
    down = Dense("dn", hidden, width, initialValue: initialValue)
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try callAsFunction(x, mask: nil, in: &graph)
  }

  /// - Parameter mask: [batch, time]; nobody attends to a step with a 0.
  public func callAsFunction(_ x: Node, mask: Node?, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let attended = try attention(normalizations.0(x, in: &graph), mask: mask, in: &graph)
      let y = try graph.add(x, graph.dropout(attended, rate: dropout))
      let normalized = try normalizations.1(y, in: &graph)
      let mapped = try graph.alongRows(of: normalized) { rows, graph throws(GraphError) in
        try down(up(rows, in: &graph), in: &graph)
      }
      return try graph.add(y, graph.dropout(mapped, rate: dropout))
    }
  }
}
