import OneDNNPrimitives

/// Images, and how they lie in memory.
package struct ImageTensorForm: Hashable, Sendable {
  package var batch: Int
  package var channels: Int
  package var size: Size2D
  /// 0 where the images are plain, [batch, channels, height, width]; otherwise so many channels lie together:
  /// [batch, channels / block, height, width, block].
  package var block: Int

  package init(batch: Int, channels: Int, size: Size2D, block: Int = 0) {
    precondition(block == 0 || channels % block == 0, "\(channels) channels do not fill blocks of \(block)")
    self.batch = batch
    self.channels = channels
    self.size = size
    self.block = block
  }

  /// Plain images of a shape [batch, channels, height, width].
  package init(_ shape: Shape) {
    precondition(shape.rank == 4, "\(shape) is not that of images")
    self.init(batch: shape[0], channels: shape[1], size: Size2D(height: shape[2], width: shape[3]))
  }

  /// [batch, channels, height, width], whatever the layout.
  package var shape: Shape { [batch, channels, size.height, size.width] }

  package var count: Int { batch * channels * size.area }

  /// The position of an element.
  package func offset(_ n: Int, _ c: Int, _ h: Int, _ w: Int) -> Int {
    guard block > 0 else { return ((n * channels + c) * size.height + h) * size.width + w }
    let outer = (n * (channels / block) + c / block) * size.height + h
    return (outer * size.width + w) * block + c % block
  }
}

/// How images lie in memory between the operations of a plan.
package enum ActivationLayout {
  /// The channels that the convolutions of this processor want to find together: 16 with AVX-512, 8 with AVX2,
  /// 0 (plain images) elsewhere. The same for the whole life of a process.
  package static let block = Int(lockstep_channel_block())

  /// The block for images of so many channels: 0 where they do not fill blocks.
  package static func block(channels: Int) -> Int {
    block > 0 && channels % block == 0 ? block : 0
  }
}
