import Autodiff
import TensorCore

/// Dense layers one behind the other, an activation between each two; the input is flattened.
///
/// Parameters are called as in PyTorch's `Sequential(Linear, activation, Linear, …)`: `0.weight`, `0.bias`,
/// `2.weight`, …
public struct MultilayerPerceptron: Layer {
  public let layers: [Dense]

  /// - Parameter widths: inputs, hidden widths, outputs.
  public init(widths: [Int], activation: Activation = .relu, initialValue: InitialValue = .pytorch) {
    precondition(widths.count >= 2, "a multilayer perceptron has at least inputs and outputs")
    layers = zip(widths, widths.dropFirst()).enumerated().map { index, extents in
      Dense(
        "\(2 * index)", extents.0, extents.1, activation: index < widths.count - 2 ? activation : nil,
        initialValue: initialValue)
    }
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    var y = try graph.flatten(x)
    for layer in layers { y = try layer(y, in: &graph) }
    return y
  }
}
