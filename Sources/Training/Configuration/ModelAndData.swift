import Datasets
import Layers
import TensorCore

/// `model`: which network.
public struct ModelConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    /// Fully connected layers.
    case mlp
  }

  public var name = Name.mlp
  /// The widths of the hidden layers; none makes a linear model.
  public var hidden = [128]
  /// Behind every hidden layer.
  public var activation = Activation.relu
  /// How weights begin.
  public var initial = InitialValue.pytorch

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.choice("name", &name)
    try reader.integers("hidden", &hidden, in: 1...1_000_000, count: 0...1000)
    try reader.choice("activation", &activation)
    try reader.choice("initial", &initial)
  }
}

/// `data`: which samples.
public struct DataConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    /// Handwriting-like digits that are drawn by the program; nothing to download.
    case digits
    /// MNIST's file format: images and labels, for training and for testing.
    case idx
  }

  public var name = Name.digits
  /// The folder of the files; for `idx`.
  public var path: String?
  /// The number of classes.
  public var classes = 10
  /// What is done to pixels.
  public var normalization = Normalization.Kind.unit
  /// Training samples that are drawn; for `digits`.
  public var samples = 20_000
  /// Test samples that are drawn; for `digits`.
  public var testSamples = 5_000
  /// Seeds the drawing; for `digits`.
  public var seed = 0

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    // No default: a forgotten section must not quietly train on built-in samples.
    try reader.require(
      "name", expected: Name.allCases.map(\.rawValue).joined(separator: " or "),
      remedy: "Say what to train on, for example the built-in digits: --set data.name=digits")
    try reader.choice("name", &name)
    switch name {
    case .digits:
      try reader.integer("samples", &samples, in: 1...1 << 31)
      try reader.integer("testSamples", &testSamples, in: 0...1 << 31, affectsWeights: false)
      try reader.integer("seed", &seed, in: 0...Int.max)
      try reader.exclude(["path"], belongingTo: "data.name idx (the digits are built in)")
      try reader.exclude(["classes"], belongingTo: "data.name idx (the digits are ten)")
    case .idx:
      try reader.text("path", &path, affectsWeights: false)
      try reader.require(
        path != nil, at: "path", expected: "the folder with the IDX files", found: "no data.path",
        remedy: "Name it with: --set data.path=FOLDER")
      try reader.integer("classes", &classes, in: 2...1_000_000)
      try reader.exclude(["samples", "testSamples", "seed"], belongingTo: "data.name digits")
    }
    try reader.choice("normalization", &normalization)
  }
}
