import Autodiff
import TensorCore

/// Takes the mean of the last axis off and divides by its deviation: (x − mean)/√(variance + epsilon) ·
/// weight + bias. Ba et al. 2016.
///
/// Parameters as PyTorch's `LayerNorm`: `weight` [width], 1 at first, and `bias` [width], 0 at first.
public struct LayerNormalization: Layer {
  public let name: String
  public let width: Int
  public let epsilon: Double
  public let usesBias: Bool

  public init(_ name: String, _ width: Int, epsilon: Double = 1e-5, usesBias: Bool = true) {
    precondition(
      width > 0 && epsilon >= 0, "\(name): a normalization has a width, and an epsilon that is not negative")
    self.name = name
    self.width = width
    self.epsilon = epsilon
    self.usesBias = usesBias
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let weight = try graph.parameter("weight", [width], initialValue: .constant(1))
      let bias = usesBias ? try graph.parameter("bias", [width], initialValue: .constant(0)) : nil
      return try graph.layerNormalization(x, weight: weight, bias: bias, epsilon: epsilon)
    }
  }
}

/// Divides by the root of the mean square over the last axis: x/√(mean of x² + epsilon) · weight. Zhang and
/// Sennrich 2019.
///
/// Parameter as PyTorch's `RMSNorm`: `weight` [width], 1 at first.
public struct RMSNormalization: Layer {
  public let name: String
  public let width: Int
  public let epsilon: Double

  /// - Parameter epsilon: PyTorch's default, the distance between 1 and the next single-precision number.
  public init(_ name: String, _ width: Int, epsilon: Double = Double(Float.ulpOfOne)) {
    precondition(
      width > 0 && epsilon >= 0, "\(name): a normalization has a width, and an epsilon that is not negative")
    self.name = name
    self.width = width
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let weight = try graph.parameter("weight", [width], initialValue: .constant(1))
      return try graph.rmsNormalization(x, weight: weight, epsilon: epsilon)
    }
  }
}
