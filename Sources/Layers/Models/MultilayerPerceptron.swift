import Autodiff
import TensorCore

/// Dense layers one behind the other, an activation between each two; the input is flattened.
///
/// Parameters are called as in PyTorch's `Sequential(Linear, activation, Linear, …)`: `0.weight`, `0.bias`,
/// `2.weight`, …; with dropout behind each activation `0.weight`, `3.weight`, …
public struct MultilayerPerceptron: Layer {
  public let layers: [Dense]
  /// How probable it is that an element behind a hidden layer is dropped in training.
  public let dropout: Double

  /// - Parameter widths: inputs, hidden widths, outputs.
  public init(
    widths: [Int], activation: Activation = .relu, dropout: Double = 0, initialValue: InitialValue = .pytorch
  ) {
    precondition(widths.count >= 2, "a multilayer perceptron has at least inputs and outputs")
    self.dropout = dropout
    // A dropout is a part of PyTorch's list too.
    let parts = dropout > 0 ? 3 : 2
    layers = zip(widths, widths.dropFirst()).enumerated().map { index, extents in
      Dense(
        "\(parts * index)", extents.0, extents.1, activation: index < widths.count - 2 ? activation : nil,
        initialValue: initialValue)
    }
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    var y = try graph.flatten(x)
    for (index, layer) in layers.enumerated() {
      y = try layer(y, in: &graph)
      if dropout > 0, index < layers.count - 1 { y = try graph.dropout(y, rate: dropout) }
    }
    return y
  }
}
