import TensorCore

/// Pooling, as a layer may write it into a graph. Images are [batch, channels, height, width].
extension Graph {
  /// The largest element of each window; each channel for itself.
  ///
  /// - Parameters:
  ///   - stride: the distance of neighbouring windows; the window's size where it is `nil`.
  ///   - padding: rows and columns on each side that never win; at most half the window.
  /// - Returns: [batch, channels, …], in each direction ⌊(extent + 2·padding − window) / stride⌋ + 1.
  public mutating func maxPooling(
    _ x: Node, window: Size2D, stride: Size2D? = nil, padding: Size2D = 0
  ) throws(GraphError) -> Node {
    try pool(.max, x, window, stride ?? window, padding)
  }

  /// The mean of each window; each channel for itself.
  ///
  /// - Parameters:
  ///   - stride: the distance of neighbouring windows; the window's size where it is `nil`.
  ///   - padding: rows and columns on each side; at most half the window.
  ///   - countsPadding: whether padding counts as zeros, or not at all.
  /// - Returns: [batch, channels, …], in each direction ⌊(extent + 2·padding − window) / stride⌋ + 1.
  public mutating func averagePooling(
    _ x: Node, window: Size2D, stride: Size2D? = nil, padding: Size2D = 0, countsPadding: Bool = true
  ) throws(GraphError) -> Node {
    try pool(.average(countsPadding: countsPadding), x, window, stride ?? window, padding)
  }

  /// The mean of each image: [batch, channels, height, width] → [batch, channels].
  public mutating func globalAveragePooling(_ x: Node) throws(GraphError) -> Node {
    let images = shape(of: x)
    try requirePooling(
      images.rank == 4, "images [batch, channels, height, width] to average", "\(images)",
      "Put the global pooling before what flattens the images.")
    let form = PoolingForm(
      globalAverageOf: Size2D(height: images[2], width: images[3]), batch: images[0], channels: images[1])
    return append(.globalAverage(form), [x], [images[0], images[1]])
  }

  private mutating func pool(
    _ kind: PoolingForm.Kind, _ x: Node, _ window: Size2D, _ stride: Size2D, _ padding: Size2D
  ) throws(GraphError) -> Node {
    let images = shape(of: x)
    try requirePooling(
      images.rank == 4, "images [batch, channels, height, width] to pool", "\(images)",
      "Put the pooling before what flattens the images; a data set's samples must be [channels, height, width]."
    )
    try requirePooling(
      window.height > 0 && window.width > 0 && stride.height > 0 && stride.width > 0 && padding.height >= 0
        && padding.width >= 0,
      "a pooling window and a stride of at least 1 and a padding of at least 0",
      "window \(window), stride \(stride), padding \(padding)", "Correct the layer.")
    try requirePooling(
      padding.height <= window.height / 2 && padding.width <= window.width / 2,
      "a padding of at most half the pooling window, \(window)", "\(padding)",
      "Use less padding: more would leave windows that cover nothing of the image.")
    let form = PoolingForm(
      kind, batch: images[0], channels: images[1], input: Size2D(height: images[2], width: images[3]),
      window: window, stride: stride, padding: padding)
    let padded = Size2D(height: images[2] + 2 * padding.height, width: images[3] + 2 * padding.width)
    try requirePooling(
      form.output.height > 0 && form.output.width > 0, "images that hold the pooling window, \(window)",
      "\(form.input)\(padding == 0 ? "" : ", padded to \(padded)")",
      "Use a smaller window, more padding, or fewer steps that shrink the images before it.")
    return append(.pool(form), [x], [images[0], images[1], form.output.height, form.output.width])
  }

  /// The gradient of a pooling's operand.
  mutating func poolGradient(_ form: PoolingForm, _ x: Node, _ dy: Node) -> Node {
    switch form.kind {
    case .max: append(.maxPoolGradient(form), [x, dy], shape(of: x))
    case .average: append(.averagePoolGradient(form), [dy], shape(of: x))
    }
  }

  private func requirePooling(
    _ condition: Bool, _ expected: String, _ found: String, _ remedy: String
  ) throws(GraphError) {
    guard condition else { throw GraphError(at: layer, expected: expected, found: found, remedy: remedy) }
  }
}
