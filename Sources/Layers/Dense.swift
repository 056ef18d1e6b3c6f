import Autodiff
import TensorCore

/// A fully connected layer: activation(x · weightᵀ + bias), x [batch, inputs] → [batch, outputs].
///
/// Parameters as PyTorch's `Linear`: `weight` [outputs, inputs] and `bias` [outputs].
public struct Dense: Layer {
  public let name: String
  public let inputs: Int
  public let outputs: Int
  public let activation: Activation?
  public let usesBias: Bool
  public let initialValue: InitialValue

  public init(
    _ name: String, _ inputs: Int, _ outputs: Int, activation: Activation? = nil, usesBias: Bool = true,
    initialValue: InitialValue = .pytorch
  ) {
    precondition(inputs > 0 && outputs > 0, "\(name): a dense layer has inputs and outputs")
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.activation = activation
    self.usesBias = usesBias
    self.initialValue = initialValue
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let weight = try graph.parameter(
        "weight", [outputs, inputs], initialValue: initialValue.weight(fanIn: inputs, fanOut: outputs))
      var y = try graph.matrixProduct(x, weight, transposeB: true)
      if usesBias {
        let bias = try graph.parameter("bias", [outputs], initialValue: initialValue.bias(fanIn: inputs))
        y = try graph.add(y, bias)
      }
      return activation.map { graph.activation($0, y) } ?? y
    }
  }
}
