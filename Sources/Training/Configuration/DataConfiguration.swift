import Foundation
import Datasets
import TensorCore

/// `data`: which samples.
public struct DataConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    /// Handwriting-like digits that are drawn by the program; nothing to download.
    case digits
    /// Coloured shapes that are drawn by the program.
    case shapes
    /// Text that is written by the program.
    case builtInText = "built-in-text"
    /// MNIST's file format: images and labels, for training and for testing.
    case idx
    case cifar10
    case cifar100
    /// A folder with a folder of images for each class.
    case images
    case csv
    case npy
    /// A file of text, or a folder of such files.
    case text
  }

  public var name = Name.digits
  /// The file or folder.
  public var path: String?
  /// The file to test on; for `csv`.
  public var testPath: String?
  /// The number of classes; for `idx`.
  public var classes = 10
  /// What is done to pixels, or to the columns of a table.
  public var normalization = Normalization.Kind.unit
  /// Training samples that are drawn; for `digits` and `shapes`.
  public var samples = 20_000
  /// Test samples that are drawn; for `digits` and `shapes`.
  public var testSamples = 5_000
  /// Seeds what the program makes itself.
  public var seed = 0
  /// Pixels; for `images`.
  public var height = 32
  public var width = 32
  public var channels = 3
  public var fit = ImageForm.Fit.stretch
  /// For `csv`.
  public var table = TableConfiguration()
  /// For texts.
  public var text = TextConfiguration()
  /// Random changes of training images.
  public var augment: [AugmentationConfiguration] = []

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    // No default: a forgotten section must not quietly train on built-in samples.
    try reader.require(
      "name", expected: Name.allCases.map(\.rawValue).joined(separator: " or "),
      remedy: "Say what to train on, for example the built-in digits: --set data.name=digits")
    try reader.choice("name", &name)
    let keys = name.keys
    if keys.contains("path") {
      try reader.text("path", &path, affectsWeights: false)
      try reader.require(
        path != nil, at: "path", expected: name.expectedPath, found: "no data.path",
        remedy: "Name it with: --set data.path=\(name.isFile ? "FILE" : "FOLDER")")
    }
    if keys.contains("testPath") { try reader.text("testPath", &testPath, affectsWeights: false) }
    if keys.contains("samples") {
      try reader.integer("samples", &samples, in: 1...1 << 31)
      try reader.integer("testSamples", &testSamples, in: 0...1 << 31, affectsWeights: false)
    }
    if keys.contains("seed") { try reader.integer("seed", &seed, in: 0...Int.max) }
    if keys.contains("classes") { try reader.integer("classes", &classes, in: 2...1_000_000) }
    if keys.contains("height") {
      try reader.integer("height", &height, in: 1...4096)
      try reader.integer("width", &width, in: 1...4096)
      try reader.integer("channels", &channels, in: 1...3)
      try reader.require(
        channels != 2, at: "channels", expected: "1 for grey or 3 for colours", found: "2",
        remedy: "Choose one of the two.")
      try reader.choice("fit", &fit)
    }
    if keys.contains("label") { try table.read(from: reader) }
    if keys.contains("tokens") { try text.read(from: reader, isBuiltIn: name == .builtInText) }
    if keys.contains("normalization") {
      if name == .csv, !reader.has("normalization"), reader.isReading { normalization = .standard }
      try reader.choice("normalization", &normalization)
    }
    if keys.contains("augment") {
      try reader.sections("augment", &augment, each: AugmentationConfiguration())
    }
    let all = Set(Name.allCases.flatMap(\.keys))
    for key in all.subtracting(keys).sorted() {
      let owners = Name.allCases.filter { $0.keys.contains(key) }.map(\.rawValue)
      try reader.exclude([key], belongingTo: "data.name \(owners.joined(separator: ", "))")
    }
  }
}

extension DataConfiguration.Name {
  /// The keys that mean something for it.
  fileprivate var keys: [String] {
    switch self {
    case .digits, .shapes: ["samples", "testSamples", "seed", "normalization", "augment"]
    case .idx: ["path", "classes", "normalization", "augment"]
    case .cifar10, .cifar100: ["path", "normalization", "augment"]
    case .images: ["path", "height", "width", "channels", "fit", "normalization", "augment"]
    case .csv: ["path", "testPath", "normalization"] + TableConfiguration.keys
    case .npy: ["path", "normalization", "augment"]
    case .text: ["path"] + TextConfiguration.keys
    case .builtInText: ["seed", "characters"] + TextConfiguration.keys
    }
  }

  var isText: Bool { self == .text || self == .builtInText }

  fileprivate var isFile: Bool { self == .csv || self == .text }

  fileprivate var expectedPath: String {
    switch self {
    case .idx: "the folder with the IDX files"
    case .cifar10, .cifar100: "the folder with CIFAR's binary files"
    case .images: "the folder with a folder of images for each class"
    case .csv: "the table's file"
    case .npy: "the folder with train_inputs.npy and its companions"
    case .text: "the text's file, or a folder of .txt files"
    case .digits, .shapes, .builtInText: "nothing"
    }
  }
}

/// Keys of `data` for tables.
public struct TableConfiguration: Sendable, Equatable {
  /// The column of the classes; nil: there is none, or it is the last.
  public var label: String?
  /// The columns of the values to predict, where there are no classes.
  public var values: String?
  /// The column that says how much each sample counts.
  public var weight: String?
  /// The columns to predict from; nil: all others.
  public var inputs: String?
  public var header = true

  static let keys = ["label", "values", "weight", "inputs", "header"]

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.text("label", &label)
    try reader.text("values", &values)
    try reader.require(
      label == nil || values == nil, at: "values", expected: "either a label column or value columns",
      found: "both", remedy: "Remove one of them.")
    try reader.require(
      label != nil || values != nil, at: "label",
      expected: "the column of the classes, or data.values: the columns of the values", found: "neither",
      remedy: "Name it, as in: --set data.label=species")
    try reader.text("weight", &weight)
    try reader.text("inputs", &inputs)
    try reader.flag("header", &header)
  }

  /// Names of several columns stand between commas.
  var columns: CSVColumns {
    func names(_ text: String?) -> [String]? {
      text.map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
    }
    return CSVColumns(
      label: label, values: names(values) ?? [], weight: weight, inputs: names(inputs), hasHeader: header)
  }
}

/// Keys of `data` for texts.
public struct TextConfiguration: Sendable, Equatable {
  /// What a token is.
  public var tokens = TokenizerKind.characters
  /// A tokenizer.json to use.
  public var tokenizer: String?
  /// Tokens of a new byte-pair encoding.
  public var vocabulary = 1024
  /// Tokens that a model sees at once.
  public var context = 64
  /// Tokens from one training window's beginning to the next one's.
  public var stride = 1
  /// The part of the text, at its end, that is held out.
  public var fraction = 0.1
  /// Characters that are written; for `built-in-text`.
  public var characters = 1_000_000

  static let keys = ["tokens", "tokenizer", "vocabulary", "context", "stride", "fraction"]

  public init() {}

  mutating func read(from reader: ConfigurationReader, isBuiltIn: Bool) throws(ConfigurationError) {
    if isBuiltIn { try reader.integer("characters", &characters, in: 1000...1 << 30) }
    try reader.choice("tokens", &tokens)
    try reader.text("tokenizer", &tokenizer, affectsWeights: false)
    if tokens == .bpe {
      try reader.integer("vocabulary", &vocabulary, in: 256...1 << 20)
    } else {
      try reader.exclude(["vocabulary"], belongingTo: "data.tokens bpe")
    }
    try reader.integer("context", &context, in: 1...1 << 20)
    try reader.integer("stride", &stride, in: 1...1 << 30)
    try reader.number("fraction", &fraction, .belowOne)
    try reader.require(
      fraction > 0, at: "fraction", expected: "a number above 0 and below 1", found: "\(fraction)",
      remedy: "Hold out a part of the text to validate on.")
  }

  var windows: TextData.Windows { .init(context: context, stride: stride, fraction: fraction) }
}
