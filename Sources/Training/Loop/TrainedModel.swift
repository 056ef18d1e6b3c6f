import Autodiff
import Checkpoints
import Datasets
import Foundation
import Layers
import MessagePassing
import TensorCore

/// A model that has been trained by a configuration, ready to be used.
public struct TrainedModel {
  public let description: ModelFile.Description
  public let configuration: RunConfiguration
  /// Of texts.
  public let tokenizer: (any Tokenizer)?
  let objective: Objective
  let parameters: Arena<Float>
  private let form: SampleForm

  /// - Parameters:
  ///   - path: a run's folder, a checkpoint's folder, or a model file.
  ///   - overrides: values of the configuration that differ here, as the place of the data.
  public init(at path: String, overrides: [String] = []) throws {
    let model = try ModelFile(at: path)
    description = model.description
    guard let stored = model.description.configuration, let form = model.description.form else {
      throw CheckpointError(
        at: model.file.path, expected: "a model that lockstep train made, with its configuration inside",
        found: "a safetensors file without one", remedy: "Name a run's folder, or its \(ModelFile.name).")
    }
    self.form = form
    configuration = try RunConfiguration.parse(stored.yaml, file: model.file.path, overrides: overrides)
    ComputeLibrary.setThreads(configuration.threads)
    tokenizer = try description.tokenizer.map {
      try SavedTokenizer.read($0, at: "\(model.file.path), its tokenizer")
    }
    // A text is read by the tokenizer, and answered by the model.
    guard tokenizer.map({ $0.vocabularySize == form.outputs }) ?? true else {
      throw CheckpointError(
        at: "\(model.file.path), its tokenizer", expected: "the \(form.outputs) tokens of the model",
        found: "\(tokenizer?.vocabularySize ?? 0)", remedy: "Use a model file that Lockstep wrote.")
    }
    let names = description.classNames.count
    guard names == 0 || names == form.target.classCount else {
      throw CheckpointError(
        at: "\(model.file.path), its classes", expected: "names of the model's \(form.outputs) classes",
        found: "\(names)", remedy: "Use a model file that Lockstep wrote.")
    }
    do {
      objective = try configuration.makeObjective(for: form)
    } catch {
      let diagnosis = error.diagnosis
      throw CheckpointError(
        at: "\(model.file.path), \(diagnosis.place)", expected: diagnosis.expected, found: diagnosis.found,
        remedy: diagnosis.remedy)
    }
    // Before there is memory for them: a configuration may ask for any number of parameters.
    try ModelFile.check(model.file, has: objective.layout.allEntries.map { ($0.name, $0.shape) })
    parameters = Arena(count: objective.layout.vectorCount)
    try model.read(objective.layout, into: parameters)
  }

  /// Samples of the configuration's data, normalized as in training, and read once on each machine. All ranks call it.
  public func samples(
    _ split: Split, over communicator: any Communicator = InProcessCommunicator()
  ) throws -> any Dataset {
    let source = DataSource(configuration)
    let place = configuration.data.path ?? "the built-in data"
    let shares = configuration.averaging.sharesMemory
    if configuration.data.name.isText {
      let text = try readOncePerMachine(communicator, shares: shares) { () throws -> TextData in
        let text = try source.text(tokenizer: tokenizer)
        try checkTargets(split == .train ? text.training : text.validation, place)
        return text
      }.data
      return split == .train ? text.training : text.validation
    }
    return try readOncePerMachine(communicator, shares: shares) { () throws -> StoredSamples in
      guard split == .train || source.hasTestSplit else {
        throw DatasetError(
          at: configuration.data.path ?? "data.name \(configuration.data.name.rawValue)",
          expected: "test samples", found: "none", remedy: "Try it on what it was trained on: --split train")
      }
      let samples = try source.samples(split, classes: form.target.classCount)
      try checkTargets(samples, place)
      return StoredSamples(try samples.normalized(by: description.normalization))
    }.data.dataset
  }

  /// That samples are like those of the training, targets included.
  private func checkTargets(_ data: any Dataset, _ place: String) throws(DatasetError) {
    try check(data, place)
    if case .input = objective.target { return }
    guard data.target == form.target else {
      throw DatasetError(
        at: place, expected: "samples with \(form.target.words), as those of the training",
        found: "samples with \(data.target.words)",
        remedy: "Give data like those of the training, or use the model that belongs to these.")
    }
  }

  /// Whether its outputs are classes, each with its probability.
  public var predictsClasses: Bool { objective.target.classCount != nil && !description.classNames.isEmpty }

  /// Samples to predict for, normalized as in training, and what to call each: the images of an IDX file, an image
  /// file, all images of a folder, or the rows of a table.
  public func predictionSamples(at path: String) throws -> (data: any Dataset, names: [String]) {
    guard !configuration.data.name.isText else {
      throw TrainingError(
        at: "model.name \(configuration.model.name.rawValue)", expected: "a model of images or tables",
        found: "one that was trained on text", remedy: "Have it write: lockstep generate PATH")
    }
    let input = PredictionInput(
      form: form, configuration: configuration, normalization: description.normalization,
      classNames: description.classNames)
    let (data, names) = try input.read(path)
    try check(data, path)
    return (data, names)
  }

  private func check(_ data: any Dataset, _ place: String) throws(DatasetError) {
    guard data.inputSize == objective.inputShape.count else {
      throw DatasetError(
        at: place, expected: "samples of \(objective.inputShape.count) values, as the model was trained with",
        found: "samples of \(data.inputShape.map(String.init).joined(separator: "×")) = \(data.inputSize)",
        remedy: "Give data like those of the training, or use the model that belongs to these.")
    }
  }

  public func evaluator(over communicator: any Communicator) -> Evaluator {
    Evaluator(
      objective, parameters: parameters, communicator: communicator,
      shardLength: configuration.validation.shard)
  }
}

extension Target {
  /// A few words for a message.
  fileprivate var words: String {
    switch self {
    case .classes(let count, perSample: let answers) where answers > 1:
      "\(answers) answers of \(count) classes each"
    case .classes(let count, _), .probabilities(let count): "one of \(count) classes"
    case .values(let count): count == 1 ? "one value each" : "\(count) values each"
    case .input: "nothing but themselves"
    }
  }
}
