import Autodiff
import Layers
import TensorCore

extension RunConfiguration {
  /// Whether the model is trained to give back its input.
  private var reconstructs: Bool {
    switch model.name {
    case .autoencoder, .convolutionalAutoencoder: true
    case .layers: model.reconstructs
    default: false
    }
  }

  /// What the model learns to answer: what the data say, but for a model that gives back its input.
  package func target(of form: SampleForm) -> Target {
    reconstructs ? .input(form.inputSize) : form.target
  }

  /// The same for the training samples, of which mixup makes each a mixture of classes.
  func trainingTarget(of data: RunData) -> Target {
    reconstructs ? .input(data.training.inputSize) : data.training.target
  }

  /// The model for samples of this form, with its loss. Throws where the parts do not fit together.
  package func makeObjective(for form: SampleForm) throws(TrainingError) -> Objective {
    let model = try makeModel(for: form)
    return try namingTheModel { () throws(GraphError) in
      try Objective(model, loss: loss, inputShape: Shape(form.inputShape), target: target(of: form))
    }
  }

  /// Tells what does not fit by the model's name and the layer's.
  func namingTheModel<Result>(_ body: () throws(GraphError) -> Result) throws(TrainingError) -> Result {
    do { return try body() } catch { throw named(error) }
  }

  func named(_ error: GraphError) -> TrainingError {
    let (diagnosis, name) = (error.diagnosis, "model.name \(model.name.rawValue)")
    let place =
      switch diagnosis.place {
      case "loss": "loss"
      case "model": name
      default: "\(name), layer \(diagnosis.place)"
      }
    return TrainingError(
      at: place, expected: diagnosis.expected, found: diagnosis.found, remedy: diagnosis.remedy)
  }

  /// The model for samples of this form. Throws where the model cannot be had for such samples.
  package func makeModel(for form: SampleForm) throws(TrainingError) -> any Layer {
    try requireFitting(form)
    let outputs = form.outputs
    let channels = form.inputShape[0]
    switch model.name {
    case .mlp:
      return MultilayerPerceptron(
        widths: [form.inputSize] + model.hidden + [outputs], activation: model.activation,
        dropout: model.dropout, initialValue: model.initial)
    case .lenet: return Sequential.lenet(classes: outputs, initialValue: model.initial)
    case .resnet20, .resnet32, .resnet56:
      let depth = model.name == .resnet20 ? 20 : model.name == .resnet32 ? 32 : 56
      return ResNet(
        depth: depth, channels: channels, classes: outputs, initialValue: model.initial,
        synchronizesBatchNormalization: model.synchronizedBatchNorm)
    case .vggSmall:
      return Sequential.vggSmall(
        classes: outputs, dropout: model.dropout, synchronizesBatchNormalization: model.synchronizedBatchNorm)
    case .charRNN, .charLSTM, .charGRU:
      let cell: RecurrentCell = model.name == .charRNN ? .tanh : model.name == .charLSTM ? .lstm : .gru
      return RecurrentLanguageModel(
        vocabulary: outputs, cell: cell, width: model.width, layers: model.depth, dropout: model.dropout)
    case .gpt:
      return GPT(
        vocabulary: outputs, context: form.inputShape[0], width: model.width, layers: model.depth,
        heads: model.heads, tiesWeights: model.tiesWeights, dropout: model.dropout,
        initialValue: model.initial)
    case .autoencoder:
      return Sequential.autoencoder(
        inputShape: form.inputShape, widths: model.hidden, activation: model.activation,
        initialValue: model.initial)
    case .convolutionalAutoencoder:
      return Sequential.convolutionalAutoencoder(
        channels: channels, widths: model.hidden, activation: model.activation)
    case .layers:
      return Sequential(
        model.layers.map { $0.part(classes: outputs) }, initialValue: model.initial,
        synchronizesBatchNormalization: model.synchronizedBatchNorm)
    }
  }

  private func requireFitting(_ form: SampleForm) throws(TrainingError) {
    let shape = form.inputShape.map(String.init).joined(separator: "×")
    func refuse(_ expected: String, _ remedy: String) -> TrainingError {
      TrainingError(
        at: "model.name \(model.name.rawValue)", expected: expected,
        found: "samples of \(shape) from data.name \(data.name.rawValue)", remedy: remedy)
    }
    switch model.name {
    case .lenet, .resnet20, .resnet32, .resnet56, .vggSmall, .convolutionalAutoencoder:
      guard form.inputShape.count == 3 else {
        throw refuse(
          "images, channels × height × width",
          data.name.isText
            ? Self.languageModels : "Train it on images, or choose model.name mlp.")
      }
      let halvings = model.name == .convolutionalAutoencoder ? model.hidden.count : 0
      guard form.inputShape.dropFirst().allSatisfy({ $0.trailingZeroBitCount >= halvings }) else {
        throw refuse(
          "images whose height and width can be halved \(halvings) times",
          "List fewer widths in model.hidden.")
      }
    case .charRNN, .charLSTM, .charGRU, .gpt:
      guard data.name.isText else {
        throw refuse("text", "Train it on text: --set data.name=built-in-text, or text with data.path.")
      }
    case .mlp, .autoencoder:
      guard !data.name.isText else { throw refuse("images or tables", Self.languageModels) }
    case .layers: try requireTokens(form)
    }
    guard !reconstructs || loss.kind != .crossEntropy else {
      throw TrainingError(
        at: "loss", expected: "a loss of values, since the model gives back its input",
        found: "crossEntropy", remedy: "Choose another, for example: --set loss=meanSquaredError")
    }
  }

  private static let languageModels = "Choose a language model: gpt, char-lstm, char-gru or char-rnn."

  /// What an embedding reads must be tokens that it has a row for.
  private func requireTokens(_ form: SampleForm) throws(TrainingError) {
    func embeddings(_ layers: [LayerConfiguration]) -> Int {
      layers.reduce(0) { $0 + ($1.kind == .embedding ? 1 : embeddings($1.layers + $1.shortcut)) }
    }
    let first = model.layers.first.flatMap { $0.kind == .embedding ? $0 : nil }
    guard embeddings(model.layers) == (first == nil ? 0 : 1) else {
      throw TrainingError(
        at: "model.layers", expected: "an embedding as the first layer only, where it reads tokens",
        found: "one behind other layers", remedy: "Put it first, or take it out.")
    }
    guard let first else { return }
    guard data.name.isText else {
      throw TrainingError(
        at: "model.layers, layer 0", expected: "text, for an embedding of tokens",
        found: "samples from data.name \(data.name.rawValue)",
        remedy: "Take the embedding out, or train on text: --set data.name=built-in-text")
    }
    guard first.vocabulary ?? form.outputs >= form.outputs else {
      throw TrainingError(
        at: "model.layers, layer 0", expected: "a vocabulary of at least the data's \(form.outputs) tokens",
        found: "\(first.vocabulary ?? 0)", remedy: "Leave vocabulary out, and it is that of the data.")
    }
  }
}
