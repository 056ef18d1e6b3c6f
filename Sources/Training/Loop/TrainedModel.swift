import Checkpoints
import Datasets
import Layers
import MessagePassing
import TensorCore

/// A model that has been trained by a configuration, ready to be used.
public struct TrainedModel {
  public let description: ModelFile.Description
  public let configuration: RunConfiguration
  private let objective: Objective
  private let parameters: Arena<Float>

  /// - Parameters:
  ///   - path: a run's folder, a checkpoint's folder, or a model file.
  ///   - overrides: values of the configuration that differ here, as the place of the data.
  public init(at path: String, overrides: [String] = []) throws {
    let model = try ModelFile(at: path)
    description = model.description
    guard let stored = model.description.configuration, let first = model.file.tensors.first else {
      throw CheckpointError(
        at: model.file.path, expected: "a model that lockstep train made, with its configuration inside",
        found: "a safetensors file without one", remedy: "Name a run's folder, or its \(ModelFile.name).")
    }
    configuration = try RunConfiguration.parse(stored.yaml, file: model.file.path, overrides: overrides)
    ComputeLibrary.setThreads(configuration.threads)
    let inputs = Self.inputs(of: model.file, else: first)
    let classes = model.description.classNames.count
    objective = try Objective(
      configuration.makeModel(inputs: inputs, classes: classes), loss: configuration.loss,
      inputShape: [inputs], target: .classes(classes))
    parameters = Arena(count: objective.layout.vectorCount)
    try model.read(objective.layout, into: parameters)
  }

  /// The inputs of the first layer: the second extent of its weight.
  private static func inputs(of file: SafetensorsFile, else first: Safetensors.Description) -> Int {
    let weight = file["0.weight"] ?? first
    return weight.shape.count == 2 ? weight.shape[1] : 1
  }

  /// Samples of the configuration's data, normalized as in training.
  public func samples(_ split: Split) throws -> ByteImages {
    let data = try RunData.load(configuration, split, normalization: description.normalization)
    try check(data, configuration.data.path ?? "the built-in digits")
    return data
  }

  /// The images of an IDX file, normalized as in training; their labels are all 0.
  public func images(at path: String) throws -> ByteImages {
    let array = try IDXArray(contentsOf: path)
    guard array.shape.count >= 2, let count = array.shape.first, count > 0, array.element == .uint8 else {
      throw DatasetError(
        at: path, expected: "images: bytes in at least two dimensions, the first counting them",
        found: "\(array.element) in the shape \(array.shape)",
        remedy: "Name the file of images, not that of labels.")
    }
    let data = try ByteImages(
      pixels: array.bytes, labels: [Int32](repeating: 0, count: count),
      inputShape: [1] + (array.shape.count == 2 ? [1, array.shape[1]] : Array(array.shape.dropFirst())),
      classNames: description.classNames, normalization: description.normalization)
    try check(data, path)
    return data
  }

  private func check(_ data: ByteImages, _ place: String) throws(DatasetError) {
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
