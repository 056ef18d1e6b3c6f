import Autodiff
import TensorCore

/// Layers one behind the other. Each takes the shape that the one before it gives, so only what it gives itself
/// is said.
///
/// Parameters are called as in PyTorch's `Sequential`, by the number of their part: `0.weight`, `0.bias`, `3.weight`.
public struct Sequential: Layer {
  /// A layer whose input is what comes before it.
  public indirect enum Part: Sendable, Equatable {
    /// Fully connected, over the last axis.
    case dense(_ outputs: Int, usesBias: Bool = true)
    case convolution(
      _ channels: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0, dilation: Size2D = 1,
      groups: Int = 1, usesBias: Bool = true)
    case transposedConvolution(
      _ channels: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0, outputPadding: Size2D = 0,
      groups: Int = 1, usesBias: Bool = true)
    /// A stride of nil is that of the window.
    case maxPooling(_ window: Size2D, stride: Size2D? = nil, padding: Size2D = 0)
    case averagePooling(_ window: Size2D, stride: Size2D? = nil, padding: Size2D = 0)
    /// [batch, channels, height, width] → [batch, channels]
    case globalAveragePooling
    case batchNormalization
    case layerNormalization
    case rmsNormalization
    case activation(Activation)
    case dropout(Double)
    /// [batch, …] → [batch, all]
    case flatten
    /// [batch, …] → [batch] + shape
    case reshape([Int])
    case embedding(vocabulary: Int, width: Int)
    case recurrent(
      RecurrentCell, hidden: Int, layers: Int = 1, isBidirectional: Bool = false, dropout: Double = 0,
      result: RecurrentNetwork.Result = .allSteps)
    case attention(heads: Int, isCausal: Bool = false)
    case transformerBlock(heads: Int, isCausal: Bool = false, dropout: Double = 0)
    /// What the parts give, plus their input, or what `shortcut` makes of it. Parameters: `3.layers.0.weight`,
    /// `3.shortcut.0.weight`.
    case residual([Part], shortcut: [Part] = [])
  }

  public let parts: [Part]
  public let initialValue: InitialValue
  /// Whether batch normalizations take the statistics of the whole batch instead of a shard's.
  public let synchronizesBatchNormalization: Bool

  /// - Parameter initialValue: of dense layers and convolutions.
  public init(
    _ parts: [Part], initialValue: InitialValue = .pytorch, synchronizesBatchNormalization: Bool = false
  ) {
    self.parts = parts
    self.initialValue = initialValue
    self.synchronizesBatchNormalization = synchronizesBatchNormalization
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    var y = x
    for (index, part) in parts.enumerated() {
      y = try write(part, "\(index)", y, in: &graph)
      try requireSize(graph.shape(of: y), "\(index)", in: graph)
    }
    return y
  }

  /// More than any machine holds, and little enough that what follows from it fits an `Int`. Layers that enlarge
  /// what they are given soon exceed everything, one behind the other.
  private static let greatestSize = 1 << 40

  private func requireSize(_ shape: Shape, _ name: String, in graph: Graph) throws(GraphError) {
    let parameters = graph.parameters.suffix(8).map(\.shape.count).max() ?? 0
    try require(
      shape.count <= Self.greatestSize && parameters <= 1 << 50,
      "a result of at most \(Self.greatestSize) values, and parameters that a machine can hold", shape, name,
      in: graph)
  }

  private func write(
    _ part: Part, _ name: String, _ x: Node, in graph: inout Graph
  ) throws(GraphError) -> Node {
    let shape = graph.shape(of: x)
    switch part {
    case .dense(let outputs, let usesBias):
      return try graph.alongRows(of: x) { rows, graph throws(GraphError) in
        let dense = Dense(
          name, graph.shape(of: rows)[1], outputs, usesBias: usesBias, initialValue: initialValue)
        return try dense(rows, in: &graph)
      }
    case .convolution(let channels, let kernel, let stride, let padding, let dilation, let groups, let bias):
      try requireChannels(shape, channels, groups, name, in: graph)
      let layer = Convolution2D(
        name, shape[1], channels, kernel: kernel, stride: stride, padding: padding, dilation: dilation,
        groups: groups, usesBias: bias, initialValue: initialValue)
      return try layer(x, in: &graph)
    case .transposedConvolution(
      let channels, let kernel, let stride, let padding, let outputPadding, let groups, let bias):
      try requireChannels(shape, channels, groups, name, in: graph)
      let layer = TransposedConvolution2D(
        name, shape[1], channels, kernel: kernel, stride: stride, padding: padding,
        outputPadding: outputPadding, groups: groups, usesBias: bias, initialValue: initialValue)
      return try layer(x, in: &graph)
    case .maxPooling(let window, let stride, let padding):
      return try graph.scope(name) { graph throws(GraphError) in
        try MaxPooling2D(window, stride: stride, padding: padding)(x, in: &graph)
      }
    case .averagePooling(let window, let stride, let padding):
      return try graph.scope(name) { graph throws(GraphError) in
        try AveragePooling2D(window, stride: stride, padding: padding)(x, in: &graph)
      }
    case .globalAveragePooling:
      return try graph.scope(name) { graph throws(GraphError) in
        try GlobalAveragePooling2D()(x, in: &graph)
      }
    case .batchNormalization:
      try require(shape.rank >= 2, "an input [batch, channels, …]", shape, name, in: graph)
      return try BatchNormalization(
        name, shape[1], isSynchronized: synchronizesBatchNormalization)(x, in: &graph)
    case .layerNormalization: return try LayerNormalization(name, last(shape))(x, in: &graph)
    case .rmsNormalization: return try RMSNormalization(name, last(shape))(x, in: &graph)
    case .activation(let activation):
      return try graph.scope(name) { graph throws(GraphError) in graph.activation(activation, x) }
    case .dropout(let rate):
      return try graph.scope(name) { graph throws(GraphError) in try graph.dropout(x, rate: rate) }
    case .flatten:
      return try graph.scope(name) { graph throws(GraphError) in try graph.flatten(x) }
    case .reshape(let dimensions):
      return try graph.scope(name) { graph throws(GraphError) in
        try graph.reshape(x, Shape([shape[0]] + dimensions))
      }
    case .embedding(let vocabulary, let width):
      return try Embedding(name, vocabulary: vocabulary, width: width)(x, in: &graph)
    case .recurrent(let cell, let hidden, let layers, let isBidirectional, let dropout, let result):
      try require(shape.rank == 3, "an input [batch, steps, features]", shape, name, in: graph)
      let network = RecurrentNetwork(
        name, cell, shape[2], hidden, layers: layers, isBidirectional: isBidirectional, dropout: dropout,
        result: result)
      return try network(x, in: &graph)
    case .attention(let heads, let isCausal):
      try requireHeads(shape, heads, name, in: graph)
      return try MultiHeadAttention(name, shape[2], heads: heads, isCausal: isCausal)(x, in: &graph)
    case .transformerBlock(let heads, let isCausal, let dropout):
      try requireHeads(shape, heads, name, in: graph)
      return try TransformerBlock(
        name, shape[2], heads: heads, isCausal: isCausal, dropout: dropout, initialValue: initialValue)(
          x, in: &graph)
    case .residual(let inner, let shortcut):
      return try graph.scope(name) { graph throws(GraphError) in
        let y = try sub(inner, "layers", x, in: &graph)
        return try graph.add(y, shortcut.isEmpty ? x : sub(shortcut, "shortcut", x, in: &graph))
      }
    }
  }

  private func sub(
    _ parts: [Part], _ name: String, _ x: Node, in graph: inout Graph
  ) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      try Sequential(
        parts, initialValue: initialValue, synchronizesBatchNormalization: synchronizesBatchNormalization)(
          x, in: &graph)
    }
  }

  private func last(_ shape: Shape) -> Int { shape.dimensions.last ?? 1 }

  private func requireChannels(
    _ shape: Shape, _ channels: Int, _ groups: Int, _ name: String, in graph: Graph
  ) throws(GraphError) {
    try require(shape.rank == 4, "images [batch, channels, height, width]", shape, name, in: graph)
    try require(
      shape[1] % groups == 0 && channels % groups == 0,
      "channels that are multiples of the \(groups) groups, before the convolution and behind it, "
        + "here \(channels)", shape, name, in: graph)
  }

  private func requireHeads(
    _ shape: Shape, _ heads: Int, _ name: String, in graph: Graph
  ) throws(GraphError) {
    try require(
      shape.rank == 3 && shape[2] % heads == 0,
      "an input [batch, steps, width] whose width \(heads) heads share evenly", shape, name, in: graph)
  }

  private func require(
    _ condition: Bool, _ expected: String, _ shape: Shape, _ name: String, in graph: Graph
  ) throws(GraphError) {
    guard condition else {
      let place = graph.layer == "model" ? name : "\(graph.layer).\(name)"
      throw GraphError(
        at: place, expected: expected, found: "\(shape)",
        remedy: "Change this layer or the one before it; lockstep inspect CONFIG lists the shapes.")
    }
  }
}
