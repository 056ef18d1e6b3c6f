import Autodiff

/// The mean of each image: x [batch, channels, height, width] → [batch, channels], as PyTorch's
/// `AdaptiveAvgPool2d(1)` and `Flatten` after it.
public struct GlobalAveragePooling2D: Layer {
  public init() {}

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.globalAveragePooling(x)
  }
}
