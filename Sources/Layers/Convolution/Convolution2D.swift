import Autodiff
import TensorCore

/// A two-dimensional convolution: activation(x ∗ weight + bias),
/// x [batch, inputChannels, height, width] → [batch, outputChannels, …].
///
/// Parameters as PyTorch's `Conv2d`: `weight` [outputChannels, inputChannels / groups, kernel height, kernel
/// width] and `bias` [outputChannels].
public struct Convolution2D: Layer {
  public let name: String
  public let inputChannels: Int
  public let outputChannels: Int
  public let kernel: Size2D
  public let stride: Size2D
  /// Rows and columns of zeros on each side.
  public let padding: Size2D
  /// The distance of a kernel's neighbouring elements: 1 for a dense one.
  public let dilation: Size2D
  /// Channels are cut into so many groups; as many as there are channels for a depthwise convolution.
  public let groups: Int
  public let activation: Activation?
  public let usesBias: Bool
  public let initialValue: InitialValue

  public init(
    _ name: String, _ inputChannels: Int, _ outputChannels: Int, kernel: Size2D, stride: Size2D = 1,
    padding: Size2D = 0, dilation: Size2D = 1, groups: Int = 1, activation: Activation? = nil,
    usesBias: Bool = true, initialValue: InitialValue = .pytorch
  ) {
    requireConvolution(name, channels: (inputChannels, outputChannels), kernel: kernel, groups: groups)
    self.name = name
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
    self.activation = activation
    self.usesBias = usesBias
    self.initialValue = initialValue
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let shape: Shape = [outputChannels, inputChannels / groups, kernel.height, kernel.width]
      let (weight, bias) = try graph.convolutionParameters(
        shape, biases: usesBias ? outputChannels : nil, initialValue)
      let y = try graph.convolution(
        x, weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
      return activation.map { graph.activation($0, y) } ?? y
    }
  }
}
