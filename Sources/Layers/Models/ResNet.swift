import Autodiff
import TensorCore

/// A residual network for small images (He et al. 2016, section 4.2): three stages of 16, 32 and 64 channels, so
/// many blocks each, 6n + 2 layers in all; x [batch, channels, height, width] → [batch, classes].
///
/// Where a block changes the shape, a 1 × 1 convolution with batch normalization is its shortcut. Parameters:
/// `stem.0.weight` (convolution), `stem.1` (batch normalization), `blocks.0.c1`, `b1`, `c2`, `b2`, `short.0`,
/// `short.1`, `head`.
public struct ResNet: Layer {
  public let channels: Int
  public let classes: Int
  /// Of each stage.
  public let blocksPerStage: Int
  public let initialValue: InitialValue
  /// Whether batch normalizations take the statistics of the whole batch instead of a shard's.
  public let synchronizesBatchNormalization: Bool

  /// - Parameter depth: 20, 32, 44, 56, …: 6n + 2.
  public init(
    depth: Int, channels: Int = 3, classes: Int, initialValue: InitialValue = .pytorch,
    synchronizesBatchNormalization: Bool = false
  ) {
    precondition(depth >= 8 && (depth - 2) % 6 == 0, "a residual network of this kind has 6n + 2 layers")
    self.channels = channels
    self.classes = classes
    self.initialValue = initialValue
    self.synchronizesBatchNormalization = synchronizesBatchNormalization
    blocksPerStage = (depth - 2) / 6
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    var y = try graph.scope("stem") { graph throws(GraphError) in
      try normalized("0", "1", x, from: channels, to: 16, kernel: 3, stride: 1, in: &graph)
    }
    y = graph.activation(.relu, y)
    var width = 16
    for (stage, stageWidth) in [16, 32, 64].enumerated() {
      for block in 0..<blocksPerStage {
        let number = stage * blocksPerStage + block
        y = try graph.scope("blocks.\(number)") { graph throws(GraphError) in
          try self.block(
            y, from: width, to: stageWidth, stride: stage > 0 && block == 0 ? 2 : 1, in: &graph)
        }
        width = stageWidth
      }
    }
    let pooled = try GlobalAveragePooling2D()(y, in: &graph)
    return try Dense("head", width, classes, initialValue: initialValue)(pooled, in: &graph)
  }

  private func block(
    _ x: Node, from inputs: Int, to outputs: Int, stride: Int, in graph: inout Graph
  ) throws(GraphError) -> Node {
    var y = try normalized("c1", "b1", x, from: inputs, to: outputs, kernel: 3, stride: stride, in: &graph)
    y = try normalized(
      "c2", "b2", graph.activation(.relu, y), from: outputs, to: outputs, kernel: 3, stride: 1, in: &graph)
    var shortcut = x
    if stride != 1 || inputs != outputs {
      shortcut = try graph.scope("short") { graph throws(GraphError) in
        try normalized("0", "1", x, from: inputs, to: outputs, kernel: 1, stride: stride, in: &graph)
      }
    }
    return graph.activation(.relu, try graph.add(y, shortcut))
  }

  /// A convolution that keeps height and width up to its stride, and its batch normalization.
  private func normalized(
    _ convolution: String, _ normalization: String, _ x: Node, from inputs: Int, to outputs: Int, kernel: Int,
    stride: Int, in graph: inout Graph
  ) throws(GraphError) -> Node {
    let convolved = try Convolution2D(
      convolution, inputs, outputs, kernel: Size2D(height: kernel, width: kernel),
      stride: Size2D(height: stride, width: stride),
      padding: Size2D(height: kernel / 2, width: kernel / 2), usesBias: false, initialValue: initialValue)(
        x, in: &graph)
    return try BatchNormalization(
      normalization, outputs, isSynchronized: synchronizesBatchNormalization)(convolved, in: &graph)
  }
}
