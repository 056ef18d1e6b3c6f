import Autodiff
import TensorCore

/// The largest element of each window of an image, x [batch, channels, height, width] → [batch, channels, …], as
/// PyTorch's `MaxPool2d`. Of equal ones the first gets the gradient.
public struct MaxPooling2D: Layer {
  public let window: Size2D
  /// The distance of neighbouring windows.
  public let stride: Size2D
  /// Rows and columns on each side that never win; at most half the window.
  public let padding: Size2D

  /// - Parameter stride: the window's size where it is `nil`.
  public init(_ window: Size2D, stride: Size2D? = nil, padding: Size2D = 0) {
    self.window = window
    self.stride = stride ?? window
    self.padding = padding
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.maxPooling(x, window: window, stride: stride, padding: padding)
  }
}
