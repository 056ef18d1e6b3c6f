import Autodiff
import TensorCore

/// Self-attention of several heads, with projections before and behind it: x [batch, time, width] → [batch,
/// time, width]. Vaswani et al. 2017.
///
/// Parameters as PyTorch's `MultiheadAttention`: `in_proj_weight` [3·width, width] for queries, keys and
/// values, `in_proj_bias` [3·width], `out_proj.weight` [width, width], `out_proj.bias` [width].
public struct MultiHeadAttention: Layer {
  /// How the parameters are called.
  public enum Naming: Sendable {
    /// `in_proj_weight`, `in_proj_bias`, `out_proj.weight`, `out_proj.bias`
    case pytorch
    /// `qkv.weight`, `qkv.bias`, `proj.weight`, `proj.bias`, as in many a GPT.
    case projections
  }

  public let name: String
  public let width: Int
  public let heads: Int
  public let isCausal: Bool
  public let naming: Naming
  public let initialValue: InitialValue?

  /// - Parameters:
  ///   - isCausal: whether a step attends to itself and earlier steps only.
  ///   - initialValue: of both projections. `nil`: as `MultiheadAttention`, Xavier's uniform one for the
  ///     packed projection, that of dense layers for the other, biases of 0.
  public init(
    _ name: String, _ width: Int, heads: Int, isCausal: Bool = false, naming: Naming = .pytorch,
    initialValue: InitialValue? = nil
  ) {
    precondition(
      width > 0 && heads > 0 && width % heads == 0, "\(name): \(heads) heads share a width of \(width) evenly"
    )
    self.name = name
    self.width = width
    self.heads = heads
    self.isCausal = isCausal
    self.naming = naming
    self.initialValue = initialValue
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try callAsFunction(x, mask: nil, in: &graph)
  }

  /// - Parameter mask: [batch, time]; nobody attends to a step with a 0.
  public func callAsFunction(_ x: Node, mask: Node?, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let qkv = try projection(
        x, outputs: 3 * width, weight: naming == .pytorch ? "in_proj_weight" : "qkv.weight",
        bias: naming == .pytorch ? "in_proj_bias" : "qkv.bias", initialValue ?? .xavierUniform, in: &graph)
      let y = try graph.attention(qkv, heads: heads, isCausal: isCausal, mask: mask)
      let output = naming == .pytorch ? "out_proj" : "proj"
      return try projection(
        y, outputs: width, weight: "\(output).weight", bias: "\(output).bias", initialValue ?? .pytorch,
        in: &graph)
    }
  }

  private func projection(
    _ x: Node, outputs: Int, weight: String, bias: String, _ values: InitialValue,
    in graph: inout Graph
  ) throws(GraphError) -> Node {
    let weight = try graph.parameter(
      weight, [outputs, width], initialValue: values.weight(fanIn: width, fanOut: outputs))
    let bias = try graph.parameter(
      bias, [outputs], initialValue: initialValue == nil ? .constant(0) : values.bias(fanIn: width))
    return try graph.alongRows(of: x) { rows, graph throws(GraphError) in
      try graph.add(graph.matrixProduct(rows, weight, transposeB: true), bias)
    }
  }
}

extension Graph {
  /// What `body` makes of the rows of x: [batch, …, columns] is seen as [rows, columns], and the result's
  /// rows as x's leading axes again.
  mutating func alongRows(
    of x: Node, _ body: (Node, inout Graph) throws(GraphError) -> Node
  ) throws(GraphError) -> Node {
    let old = shape(of: x)
    guard old.rank != 2, let columns = old.dimensions.last else { return try body(x, &self) }
    let y = try body(reshape(x, [old.count / columns, columns]), &self)
    return try reshape(y, Shape(old.dimensions.dropLast() + [shape(of: y)[1]]))
  }
}
