import Autodiff
import TensorCore

/// The mean of each window of an image, x [batch, channels, height, width] → [batch, channels, …], as PyTorch's
/// `AvgPool2d`.
public struct AveragePooling2D: Layer {
  public let window: Size2D
  /// The distance of neighbouring windows.
  public let stride: Size2D
  /// Rows and columns on each side; at most half the window.
  public let padding: Size2D
  /// Whether padding counts as zeros, or not at all.
  public let countsPadding: Bool

  /// - Parameter stride: the window's size where it is `nil`.
  public init(_ window: Size2D, stride: Size2D? = nil, padding: Size2D = 0, countsPadding: Bool = true) {
    self.window = window
    self.stride = stride ?? window
    self.padding = padding
    self.countsPadding = countsPadding
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.averagePooling(
      x, window: window, stride: stride, padding: padding, countsPadding: countsPadding)
  }
}
