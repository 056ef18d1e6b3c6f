import Layers
import TensorCore

/// `model`: which network.
public struct ModelConfiguration: Sendable, Equatable, ConfigurationSection {
  public enum Name: String, Sendable, CaseIterable {
    /// Fully connected layers.
    case mlp
    /// Two convolutions with pooling, two dense layers.
    case lenet
    case resnet20
    case resnet32
    case resnet56
    /// Six convolutions with batch normalization in three stages, two dense layers.
    case vggSmall = "vgg-small"
    /// Recurrent models of the next token, from simple cells, long short-term memory, gated units.
    case charRNN = "char-rnn"
    case charLSTM = "char-lstm"
    case charGRU = "char-gru"
    /// A transformer that predicts the next token.
    case gpt
    /// Dense layers that narrow to a code and give back their input.
    case autoencoder
    /// The same with convolutions.
    case convolutionalAutoencoder = "conv-autoencoder"
    /// What `layers` says.
    case layers
  }

  public var name = Name.mlp
  /// Widths of hidden layers; channels for `conv-autoencoder`. None makes a linear model of `mlp`.
  public var hidden = [128]
  /// Behind every hidden layer.
  public var activation = Activation.relu
  /// How weights begin.
  public var initial = InitialValue.pytorch
  /// How probable it is that an element is dropped in training.
  public var dropout = 0.0
  /// Of the embedding and the hidden state.
  public var width = 128
  /// Recurrent layers or transformer blocks.
  public var depth = 2
  /// Of attention.
  public var heads = 4
  /// Whether a transformer's head shares its weight with the tokens' table.
  public var tiesWeights = false
  /// Whether batch normalizations take the statistics of the whole batch instead of a shard's.
  public var synchronizedBatchNorm = false
  /// For `layers`: what is behind one another.
  public var layers: [LayerConfiguration] = []
  /// For `layers`: whether the model is trained to give back its input.
  public var reconstructs = false

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    // A list of layers says by itself which model it is.
    if reader.has("layers"), !reader.has("name") { name = .layers }
    try reader.choice("name", &name)
    let keys = name.keys
    if !reader.has("hidden"), reader.isReading, let usual = name.usualHidden { hidden = usual }
    if !reader.has("initial"), reader.isReading, name == .gpt { initial = .smallNormal }
    if keys.contains("hidden") {
      try reader.integers("hidden", &hidden, in: 1...1_000_000, count: (name == .mlp ? 0 : 1)...1000)
    }
    if keys.contains("activation") { try reader.choice("activation", &activation) }
    if keys.contains("initial") { try reader.choice("initial", &initial) }
    if keys.contains("dropout") { try reader.number("dropout", &dropout, .belowOne) }
    if keys.contains("width") { try reader.integer("width", &width, in: 1...1 << 20) }
    if keys.contains("depth") { try reader.integer("depth", &depth, in: 1...1000) }
    if keys.contains("heads") {
      try reader.integer("heads", &heads, in: 1...1 << 16)
      try reader.require(
        width % heads == 0, at: "heads", expected: "a divisor of the width, \(width)", found: "\(heads)",
        remedy: "Heads share the width evenly: change one of the two.")
    }
    if keys.contains("tiesWeights") { try reader.flag("tiesWeights", &tiesWeights) }
    if keys.contains("synchronizedBatchNorm") {
      try reader.flag("synchronizedBatchNorm", &synchronizedBatchNorm)
    }
    if keys.contains("layers") {
      try reader.sections("layers", &layers, each: LayerConfiguration())
      try reader.require(
        !layers.isEmpty, at: "layers", expected: "at least one layer", found: "none",
        remedy: "List the layers: layers: [{type: flatten}, {type: dense, outputs: 10}]")
      try reader.flag("reconstructs", &reconstructs)
    }
    let all = Set(Name.allCases.flatMap(\.keys))
    for key in all.subtracting(keys).sorted() {
      let owners = Name.allCases.filter { $0.keys.contains(key) }.map(\.rawValue)
      try reader.exclude([key], belongingTo: "model.name \(owners.joined(separator: ", "))")
    }
  }
}

extension ModelConfiguration.Name {
  /// The keys that mean something for it.
  fileprivate var keys: [String] {
    switch self {
    case .mlp: ["hidden", "activation", "initial", "dropout"]
    case .lenet: ["initial"]
    case .resnet20, .resnet32, .resnet56: ["initial", "synchronizedBatchNorm"]
    case .vggSmall: ["dropout", "synchronizedBatchNorm"]
    case .charRNN, .charLSTM, .charGRU: ["width", "depth", "dropout"]
    case .gpt: ["width", "depth", "heads", "dropout", "tiesWeights", "initial"]
    case .autoencoder: ["hidden", "activation", "initial"]
    case .convolutionalAutoencoder: ["hidden", "activation"]
    case .layers: ["layers", "initial", "reconstructs", "synchronizedBatchNorm"]
    }
  }

  /// Where `hidden` is not given.
  fileprivate var usualHidden: [Int]? {
    switch self {
    case .autoencoder: [128, 32]
    case .convolutionalAutoencoder: [16, 32]
    default: nil
    }
  }
}
