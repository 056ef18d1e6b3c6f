import Layers
import TensorCore

/// One entry of `model.layers`: a type, and what that type wants to know. Shapes follow from what comes before.
public struct LayerConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Kind: String, Sendable, CaseIterable {
    case dense, convolution, transposedConvolution, maxPooling, averagePooling, globalAveragePooling
    case batchNormalization, layerNormalization, rmsNormalization
    case sigmoid, tanh, relu, leakyReLU, gelu, geluTanh, silu
    case dropout, flatten, reshape, embedding, rnn, lstm, gru, attention, transformer, residual
  }

  public var kind = Kind.dense
  /// Of a dense layer; nil: as many as there are classes.
  public var outputs: Int?
  /// Of a convolution.
  public var channels = 16
  public var kernel = 3
  public var window = 2
  public var stride = 1
  public var poolingStride: Int?
  public var padding = 0
  public var outputPadding = 0
  public var dilation = 1
  public var groups = 1
  public var bias = true
  /// Of a dropout.
  public var rate = 0.5
  /// Dropout inside recurrent layers and transformer blocks.
  public var dropout = 0.0
  public var shape: [Int] = []
  /// Of an embedding; nil: that of the data's tokens.
  public var vocabulary: Int?
  public var width = 128
  public var hidden = 128
  public var depth = 1
  public var heads = 4
  public var causal = false
  public var bidirectional = false
  /// What a recurrent layer gives on.
  public var result = RecurrentNetwork.Result.allSteps
  /// Of a residual part.
  public var layers: [LayerConfiguration] = []
  public var shortcut: [LayerConfiguration] = []

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.require(
      "type", expected: "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))",
      remedy: "Say what kind of layer it is, as in {type: dense, outputs: 10}.")
    try reader.choice("type", &kind)
    let extents = 1...1 << 20
    switch kind {
    case .dense:
      try reader.integer("outputs", &outputs, in: extents)
      try reader.flag("bias", &bias)
    case .convolution, .transposedConvolution:
      try reader.integer("channels", &channels, in: extents)
      try reader.integer("kernel", &kernel, in: 1...1024)
      try reader.integer("stride", &stride, in: 1...1024)
      try reader.integer("padding", &padding, in: 0...1024)
      if kind == .convolution {
        try reader.integer("dilation", &dilation, in: 1...1024)
      } else {
        try reader.integer("outputPadding", &outputPadding, in: 0...1024)
        try reader.require(
          outputPadding < stride || outputPadding == 0, at: "outputPadding",
          expected: "less than the stride, \(stride)", found: "\(outputPadding)",
          remedy: "Make it smaller; it chooses among the sizes that the stride leaves open.")
      }
      try reader.integer("groups", &groups, in: extents)
      try reader.flag("bias", &bias)
    case .maxPooling, .averagePooling:
      try reader.integer("window", &window, in: 1...1024)
      try reader.integer("stride", &poolingStride, in: 1...1024)
      try reader.integer("padding", &padding, in: 0...1024)
      try reader.require(
        2 * padding <= window, at: "padding", expected: "at most half the window, \(window / 2)",
        found: "\(padding)", remedy: "Make it smaller, else a window would hold nothing but padding.")
    case .dropout: try reader.number("rate", &rate, .belowOne)
    case .reshape:
      try reader.integers("shape", &shape, in: extents, count: 1...6)
      let size = shape.reduce(1) { min($0, 1 << 40) * $1 }
      try reader.require(
        size <= 1 << 40, at: "shape", expected: "the extents of a sample, \(1 << 40) values at most",
        found: "\(shape.map(String.init).joined(separator: "×"))", remedy: "Make the extents smaller.")
    case .embedding:
      try reader.integer("vocabulary", &vocabulary, in: extents)
      try reader.integer("width", &width, in: extents)
    case .rnn, .lstm, .gru:
      try reader.integer("hidden", &hidden, in: extents)
      try reader.integer("depth", &depth, in: 1...1000)
      try reader.flag("bidirectional", &bidirectional)
      try reader.number("dropout", &dropout, .belowOne)
      try reader.choice("result", &result)
    case .attention, .transformer:
      try reader.integer("heads", &heads, in: extents)
      try reader.flag("causal", &causal)
      if kind == .transformer { try reader.number("dropout", &dropout, .belowOne) }
    case .residual:
      try reader.sections("layers", &layers, each: LayerConfiguration())
      try reader.sections("shortcut", &shortcut, each: LayerConfiguration())
    case .globalAveragePooling, .batchNormalization, .layerNormalization, .rmsNormalization, .sigmoid, .tanh,
      .relu, .leakyReLU, .gelu, .geluTanh, .silu, .flatten:
      break
    }
  }

  /// Whether what it gives for a step depends on later steps.
  var looksAhead: Bool {
    switch kind {
    case .rnn, .lstm, .gru: bidirectional
    case .attention, .transformer: !causal
    case .residual: (layers + shortcut).contains(where: \.looksAhead)
    default: false
    }
  }

  /// - Parameter classes: of the data, for layers that follow from them.
  func part(classes: Int) -> Sequential.Part {
    func square(_ extent: Int) -> Size2D { Size2D(height: extent, width: extent) }
    switch kind {
    case .dense: return .dense(outputs ?? classes, usesBias: bias)
    case .convolution:
      return .convolution(
        channels, kernel: square(kernel), stride: square(stride), padding: square(padding),
        dilation: square(dilation), groups: groups, usesBias: bias)
    case .transposedConvolution:
      return .transposedConvolution(
        channels, kernel: square(kernel), stride: square(stride), padding: square(padding),
        outputPadding: square(outputPadding), groups: groups, usesBias: bias)
    case .maxPooling:
      return .maxPooling(square(window), stride: poolingStride.map(square), padding: square(padding))
    case .averagePooling:
      return .averagePooling(square(window), stride: poolingStride.map(square), padding: square(padding))
    case .globalAveragePooling: return .globalAveragePooling
    case .batchNormalization: return .batchNormalization
    case .layerNormalization: return .layerNormalization
    case .rmsNormalization: return .rmsNormalization
    case .sigmoid: return .activation(.sigmoid)
    case .tanh: return .activation(.tanh)
    case .relu: return .activation(.relu)
    case .leakyReLU: return .activation(.leakyReLU)
    case .gelu: return .activation(.gelu)
    case .geluTanh: return .activation(.geluTanh)
    case .silu: return .activation(.silu)
    case .dropout: return .dropout(rate)
    case .flatten: return .flatten
    case .reshape: return .reshape(shape)
    case .embedding: return .embedding(vocabulary: vocabulary ?? classes, width: width)
    case .rnn, .lstm, .gru:
      let cell: RecurrentCell = kind == .rnn ? .tanh : kind == .lstm ? .lstm : .gru
      return .recurrent(
        cell, hidden: hidden, layers: depth, isBidirectional: bidirectional, dropout: dropout,
        result: result)
    case .attention: return .attention(heads: heads, isCausal: causal)
    case .transformer: return .transformerBlock(heads: heads, isCausal: causal, dropout: dropout)
    case .residual:
      return .residual(
        layers.map { $0.part(classes: classes) }, shortcut: shortcut.map { $0.part(classes: classes) })
    }
  }
}
