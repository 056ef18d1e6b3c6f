import CKernels

/// The extents of a two-dimensional pooling, and how its images lie in memory.
///
/// x [batch, channels, input] → y [batch, channels, output], each channel for itself:
///
///     y[n, c, h, w] = max or mean over (a, b) in the window of x[n, c, h·stride − padding + a, …]
///
/// Padding never wins a maximum; whether it counts in a mean is the kind's matter. Padding is at most half the
/// window, so that every window covers something.
package struct PoolingForm: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case max
    /// The sum over the window's size; or, where padding does not count, over what the window covers of the image.
    case average(countsPadding: Bool)
  }

  package var kind: Kind
  package var batch: Int
  package var channels: Int
  package var input: Size2D
  package var window: Size2D
  package var stride: Size2D
  /// Rows and columns around the input, on each side.
  package var padding: Size2D
  /// 0 where images are plain, [batch, channels, height, width]; otherwise 8 or 16, and so many channels lie
  /// together: [batch, channels / block, height, width, block].
  package var block = 0

  package init(
    _ kind: Kind, batch: Int, channels: Int, input: Size2D, window: Size2D, stride: Size2D,
    padding: Size2D = 0,
    block: Int = 0
  ) {
    precondition(block == 0 || channels % block == 0, "\(channels) channels do not fill blocks of \(block)")
    self.kind = kind
    self.batch = batch
    self.channels = channels
    self.input = input
    self.window = window
    self.stride = stride
    self.padding = padding
    self.block = block
  }

  /// The mean over whole images: [batch, channels, input] → [batch, channels].
  package init(globalAverageOf input: Size2D, batch: Int, channels: Int, block: Int = 0) {
    self.init(
      .average(countsPadding: true), batch: batch, channels: channels, input: input, window: input, stride: 1,
      block: block)
  }

  /// The size of the images that come out; below 1 where the window is larger than the padded input.
  package var output: Size2D {
    func extent(_ axis: KeyPath<Size2D, Int>) -> Int {
      let room = input[keyPath: axis] + 2 * padding[keyPath: axis] - window[keyPath: axis]
      return room < 0 ? 0 : room / stride[keyPath: axis] + 1
    }
    return Size2D(height: extent(\.height), width: extent(\.width))
  }

  /// The elements of x and of y.
  package var inputCount: Int { batch * channels * input.area }
  package var outputCount: Int { batch * channels * output.area }

  /// The room, in elements, that the fast kernels need beside their operands.
  package var scratchCount: Int { lockstep_pool_scratch(kernel) }

  /// Images as planes of lanes: a plane a channel where they are plain, else a plane a block.
  package var lanes: Int { Swift.max(block, 1) }
  package var planes: Int { batch * channels / lanes }

  var countsPadding: Bool { kind != .average(countsPadding: false) }

  var kernel: lockstep_pooling {
    lockstep_pooling(
      planes: planes, lanes: lanes, height: input.height, width: input.width, output_height: output.height,
      output_width: output.width, window_height: window.height, window_width: window.width,
      stride_height: stride.height, stride_width: stride.width, padding_height: padding.height,
      padding_width: padding.width, counts_padding: countsPadding ? 1 : 0)
  }
}
