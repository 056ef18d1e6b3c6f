import TensorCore

/// Convolutions, as a layer may write them into a graph. Images are [batch, channels, height, width].
extension Graph {
  /// The two-dimensional convolution (as in all neural networks, a correlation: the kernel is not turned).
  ///
  /// - Parameters:
  ///   - x: [batch, input channels, height, width]
  ///   - weight: [output channels, input channels / groups, kernel height, kernel width]
  ///   - bias: [output channels]
  ///   - padding: rows and columns of zeros on each side.
  ///   - dilation: the distance of a kernel's neighbouring elements, 1 for a dense one.
  ///   - groups: channels are cut into so many; a group's results depend on its own operands alone.
  /// - Returns: [batch, output channels, …], in each direction
  ///   ⌊(extent + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.
  public mutating func convolution(
    _ x: Node, _ weight: Node, bias: Node? = nil, stride: Size2D = 1, padding: Size2D = 0,
    dilation: Size2D = 1, groups: Int = 1
  ) throws(GraphError) -> Node {
    let (images, kernels) = (shape(of: x), shape(of: weight))
    try checkGeometry(images, kernels, stride, padding, dilation, groups, name: "a convolution")
    try requireConvolution(
      images[1] == kernels[1] * groups && kernels[0] % groups == 0,
      "weights [outputs, inputs / groups, height, width] for \(groups) group\(groups == 1 ? "" : "s") of the "
        + "\(images[1]) channels of \(images)", "\(kernels)",
      "Make the layer's input channels equal to what the layer before it gives, and both kinds of channels "
        + "multiples of the groups.")
    let form = ConvolutionForm(
      batch: images[0], inputChannels: images[1], outputChannels: kernels[0], groups: groups,
      input: Size2D(height: images[2], width: images[3]),
      kernel: Size2D(height: kernels[2], width: kernels[3]), stride: stride, padding: padding,
      dilation: dilation)
    try requireConvolution(
      form.output.height > 0 && form.output.width > 0,
      "images that hold the kernel, which reaches over \(form.reach) pixels",
      "\(form.input), padded to \(padded(form))",
      "Use a smaller kernel or dilation, more padding, or fewer steps that shrink the images before it.")
    let y = append(.convolution(form), [x, weight], form.y.shape)
    return try addToChannels(y, bias)
  }

  /// The transposed convolution: what the gradient of a convolution's input is, as a layer of its own. It
  /// enlarges images by `stride`.
  ///
  /// - Parameters:
  ///   - x: [batch, input channels, height, width]
  ///   - weight: [input channels, output channels / groups, kernel height, kernel width]
  ///   - bias: [output channels]
  ///   - padding: so many rows and columns are left out on each side.
  ///   - outputPadding: so many more rows and columns below and on the right; less than `stride`.
  /// - Returns: [batch, output channels, …], in each direction
  ///   (extent − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1.
  public mutating func transposedConvolution(
    _ x: Node, _ weight: Node, bias: Node? = nil, stride: Size2D = 1, padding: Size2D = 0,
    outputPadding: Size2D = 0, dilation: Size2D = 1, groups: Int = 1
  ) throws(GraphError) -> Node {
    let (images, kernels) = (shape(of: x), shape(of: weight))
    try checkGeometry(images, kernels, stride, padding, dilation, groups, name: "a transposed convolution")
    try requireConvolution(
      images[1] == kernels[0] && kernels[0] % groups == 0,
      "weights [inputs, outputs / groups, height, width] for \(groups) group\(groups == 1 ? "" : "s") of the "
        + "\(images[1]) channels of \(images)", "\(kernels)",
      "Make the layer's input channels equal to what the layer before it gives, and both kinds of channels "
        + "multiples of the groups.")
    try requireConvolution(
      (0..<stride.height).contains(outputPadding.height) && (0..<stride.width).contains(outputPadding.width),
      "an output padding from 0 to below the stride, \(stride)", "\(outputPadding)",
      "Use less output padding: it only chooses between the sizes that the stride makes equal.")

    func extent(_ axis: Int, _ side: KeyPath<Size2D, Int>) -> Int {
      (images[axis] - 1) * stride[keyPath: side] - 2 * padding[keyPath: side]
        + dilation[keyPath: side] * (kernels[axis] - 1) + outputPadding[keyPath: side] + 1
    }
    let size = Size2D(height: extent(2, \.height), width: extent(3, \.width))
    try requireConvolution(
      size.height > 0 && size.width > 0, "padding that leaves something of the result",
      "a result of \(size) pixels from \(images) and \(kernels) with padding \(padding)", "Use less padding.")
    // The convolution from the result to x.
    let form = ConvolutionForm(
      batch: images[0], inputChannels: kernels[1] * groups, outputChannels: images[1], groups: groups,
      input: size, kernel: Size2D(height: kernels[2], width: kernels[3]), stride: stride, padding: padding,
      dilation: dilation)
    precondition(form.output == Size2D(height: images[2], width: images[3]))
    let y = append(.convolutionInputGradient(form), [x, weight], form.x.shape)
    return try addToChannels(y, bias)
  }

  /// x [batch, channels, height, width] + bias [channels].
  private mutating func addToChannels(_ x: Node, _ bias: Node?) throws(GraphError) -> Node {
    guard let bias else { return x }
    let (images, channels) = (shape(of: x), shape(of: bias))
    try requireConvolution(
      channels == [images[1]], "a bias [\(images[1])], one value a channel of \(images)", "\(channels)",
      "Give the bias the layer's output channels.")
    return append(.addToChannels(ImageTensorForm(images)), [x, bias], images)
  }

  private func checkGeometry(
    _ images: Shape, _ kernels: Shape, _ stride: Size2D, _ padding: Size2D, _ dilation: Size2D,
    _ groups: Int, name: String
  ) throws(GraphError) {
    try requireConvolution(
      images.rank == 4 && kernels.rank == 4,
      "images [batch, channels, height, width] and weights with four axes for \(name)",
      "\(images) and \(kernels)",
      "Give the layer images; a data set's samples must be [channels, height, width].")
    try requireConvolution(
      stride.height > 0 && stride.width > 0 && dilation.height > 0 && dilation.width > 0 && groups > 0
        && padding.height >= 0 && padding.width >= 0,
      "a stride, a dilation and groups of at least 1 and a padding of at least 0 for \(name)",
      "stride \(stride), dilation \(dilation), groups \(groups), padding \(padding)", "Correct the layer.")
  }

  private func padded(_ form: ConvolutionForm) -> Size2D {
    Size2D(
      height: form.input.height + 2 * form.padding.height, width: form.input.width + 2 * form.padding.width)
  }

  private func requireConvolution(
    _ condition: Bool, _ expected: String, _ found: String, _ remedy: String
  ) throws(GraphError) {
    guard condition else { throw GraphError(at: layer, expected: expected, found: found, remedy: remedy) }
  }
}
