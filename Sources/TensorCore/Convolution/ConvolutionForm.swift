/// The extents of a two-dimensional convolution, and how its images lie in memory.
///
/// x [batch, inputChannels, input] → y [batch, outputChannels, output], with weights [outputChannels,
/// inputChannels / groups, kernel] and a bias [outputChannels], both always in plain order:
///
///     y[n, o, h, w] = bias[o] + Σ_{i, a, b} x[n, i, h·stride − padding + a·dilation, …] · weight[o, i, a, b]
///
/// A transposed convolution is the input gradient of the convolution that leads from its result to its operand.
package struct ConvolutionForm: Hashable, Sendable {
  package var batch: Int
  package var inputChannels: Int
  package var outputChannels: Int
  /// Channels are cut into so many groups; a group's results depend on its own operands alone.
  package var groups: Int
  package var input: Size2D
  package var kernel: Size2D
  package var stride: Size2D
  /// Rows and columns of zeros around the input, on each side.
  package var padding: Size2D
  /// The distance of a kernel's neighbouring elements: 1 for a dense kernel.
  package var dilation: Size2D
  /// The blocks in which the channels of x lie, and of its gradient; 0 for plain images.
  package var inputBlock = 0
  /// The blocks in which the channels of y lie, and of its gradient; 0 for plain images.
  package var outputBlock = 0
  package var addsBias = false
  /// y = max(0, …)
  package var appliesReLU = false
  /// Where it is not nil, what is convolved is not x but x normalized. Forward and for the gradient of the weights;
  /// that of the input is then the normalized one's.
  package var normalization: Normalization?
  /// For the gradient of the input: dx + another tensor of its shape.
  package var addsToGradient = false
  /// For the gradient of the input, after that: 0 wherever the result of a ReLU is not above 0.
  package var stopsAtReLU = false

  /// Batch normalization of the input while it is read, as `BatchNormalizationForm` describes it.
  package struct Normalization: Hashable, Sendable {
    package var epsilon: Double
    package var appliesReLU: Bool

    package init(epsilon: Double, appliesReLU: Bool) {
      self.epsilon = epsilon
      self.appliesReLU = appliesReLU
    }
  }

  package init(
    batch: Int, inputChannels: Int, outputChannels: Int, groups: Int = 1, input: Size2D, kernel: Size2D,
    stride: Size2D = 1, padding: Size2D = 0, dilation: Size2D = 1
  ) {
    self.batch = batch
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.groups = groups
    self.input = input
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
  }

  /// The size of the images that come out; below 1 where the kernel is larger than the padded input.
  package var output: Size2D {
    func extent(_ axis: KeyPath<Size2D, Int>) -> Int {
      let room = input[keyPath: axis] + 2 * padding[keyPath: axis] - reach[keyPath: axis]
      return room < 0 ? 0 : room / stride[keyPath: axis] + 1
    }
    return Size2D(height: extent(\.height), width: extent(\.width))
  }

  /// What a kernel covers, the gaps between its elements included.
  package var reach: Size2D {
    Size2D(
      height: (kernel.height - 1) * dilation.height + 1, width: (kernel.width - 1) * dilation.width + 1)
  }

  package var x: ImageTensorForm {
    ImageTensorForm(batch: batch, channels: inputChannels, size: input, block: inputBlock)
  }

  package var y: ImageTensorForm {
    ImageTensorForm(batch: batch, channels: outputChannels, size: output, block: outputBlock)
  }

  /// [outputChannels, inputChannels / groups, kernel height, kernel width]
  package var weightShape: Shape {
    [outputChannels, inputChannels / groups, kernel.height, kernel.width]
  }

  /// The multiplications and additions of a pass in one direction, counted as two each.
  package var floatingPointOperations: Int { 2 * y.count * weightShape.count / outputChannels }
}
