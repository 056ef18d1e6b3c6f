import Layers
import TensorCore

extension RunConfiguration {
  /// What a model that gives back its input learns to answer; nil for all others, which learn what the data say.
  package func reconstruction(of form: SampleForm) -> Target? {
    let reconstructs =
      switch model.name {
      case .autoencoder, .convolutionalAutoencoder: true
      case .layers: model.reconstructs
      default: false
      }
    return reconstructs ? .input(form.inputSize) : nil
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
        throw refuse("images, channels × height × width", "Train it on images, or choose model.name mlp.")
      }
      let halvings = model.name == .convolutionalAutoencoder ? model.hidden.count : 0
      guard form.inputShape.dropFirst().allSatisfy({ $0 % (1 << halvings) == 0 }) else {
        throw refuse(
          "images whose height and width can be halved \(halvings) times",
          "List fewer widths in model.hidden.")
      }
    case .charRNN, .charLSTM, .charGRU, .gpt:
      guard data.name.isText else {
        throw refuse("text", "Train it on text: --set data.name=built-in-text, or text with data.path.")
      }
    case .mlp, .autoencoder:
      guard !data.name.isText else {
        throw refuse("images or tables", "Choose a language model: gpt, char-lstm, char-gru or char-rnn.")
      }
    case .layers: break
    }
  }
}
