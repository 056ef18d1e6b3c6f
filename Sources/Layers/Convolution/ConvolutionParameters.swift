import Autodiff
import TensorCore

extension Graph {
  /// The weight of a convolution, [a, b, kernel height, kernel width], and its bias where it has one.
  ///
  /// The fan-in counts the second axis, the fan-out the first, as PyTorch does for both kinds of convolution.
  mutating func convolutionParameters(
    _ shape: Shape, biases: Int?, _ initialValue: InitialValue
  ) throws(GraphError) -> (weight: Node, bias: Node?) {
    let area = shape[2] * shape[3]
    let (fanIn, fanOut) = (shape[1] * area, shape[0] * area)
    let weight = try parameter(
      "weight", shape, initialValue: initialValue.weight(fanIn: fanIn, fanOut: fanOut))
    guard let biases else { return (weight, nil) }
    return (weight, try parameter("bias", [biases], initialValue: initialValue.bias(fanIn: fanIn)))
  }
}

/// What every convolution must be told.
func requireConvolution(_ name: String, channels: (Int, Int), kernel: Size2D, groups: Int) {
  precondition(
    channels.0 > 0 && channels.1 > 0 && kernel.height > 0 && kernel.width > 0,
    "\(name): a convolution has channels and a kernel")
  precondition(
    groups > 0 && channels.0 % groups == 0 && channels.1 % groups == 0,
    "\(name): channels are multiples of the groups")
}
