import Averaging
import Checkpoints
import Datasets
import Foundation
import Layers
import TensorCore

/// A trained model in one file: its parameters in safetensors by PyTorch's names, and in the file's metadata
/// what is needed to use it: the configuration and the normalization.
public struct ModelFile: Sendable {
  public static let name = "model.safetensors"

  /// Which model it is, and how its data become its input.
  public struct Description: Sendable, Equatable {
    /// Resolved; nil for a model that a program defined by itself.
    public var configuration: RunConfiguration?
    public var normalization: Normalization
    public var classNames: [String]
    public var step: Int
    /// nil for a model that a program defined by itself.
    public var form: SampleForm?
    /// Of a language model, as `SavedTokenizer` writes it.
    public var tokenizer: String?
  }

  public let file: SafetensorsFile
  public let description: Description

  /// The model at `path`: a model file, a checkpoint's folder, or a run's folder, whose final model is
  /// meant, or its newest whole checkpoint while it has none.
  public init(at path: String) throws(CheckpointError) {
    file = try SafetensorsFile(Self.locate(path))
    description = try Description(file)
  }

  package init(file: SafetensorsFile) throws(CheckpointError) {
    self.file = file
    description = try Description(file)
  }

  /// The file that `path` stands for.
  package static func locate(_ path: String) throws(CheckpointError) -> String {
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CheckpointError(
        at: path, expected: "a run's folder, a checkpoint or a model file", found: "nothing of this name",
        remedy: "Check the path; lockstep train says at its end where its results are.")
    }
    guard isFolder.boolValue else { return path }
    let direct = path + "/" + name
    if files.fileExists(atPath: direct) { return direct }
    let (newest, rejected) = try CheckpointStore(reading: path + "/checkpoints").newestVerified()
    guard let newest else {
      let damaged =
        rejected.isEmpty ? "" : "; \(rejected.count) are damaged: \(rejected[0].reason.diagnosis.found)"
      throw CheckpointError(
        at: path, expected: "\(name), or whole checkpoints in checkpoints/", found: "none\(damaged)",
        remedy: "Name the folder of a run that has saved at least once.")
    }
    return newest.folder + "/" + name
  }

  /// Fills the parameter vector.
  package func read(_ layout: VectorLayout, into parameters: Arena<Float>) throws(CheckpointError) {
    try Self.check(file, has: layout.allEntries.map { ($0.name, $0.shape) })
    for entry in layout.allEntries { try file.floats(entry.name, into: parameters.buffer(entry.range)) }
  }

  /// The batches that a batch normalization has seen, which PyTorch saves beside its running statistics.
  static let batchCount = "num_batches_tracked"

  /// Where PyTorch has such a count: beside every running variance.
  static func batchCounts(of layout: VectorLayout) -> [Safetensors.Description] {
    layout.buffers.map(\.entry.name).filter { $0.hasSuffix("running_var") }.map {
      Safetensors.Description($0.dropLast("running_var".count) + batchCount, .signed64, shape: [])
    }
  }

  /// What is saved of a model: its parameters and buffers, and the counts of batches.
  static func tensors(
    _ layout: VectorLayout, parameters: Arena<Float>, stepCount: Arena<Int64>
  ) -> [Safetensors.Tensor] {
    let vectors = layout.allEntries.map { entry in
      Safetensors.Tensor(
        Safetensors.Description(entry.name, shape: entry.shape.dimensions),
        bytes: UnsafeRawBufferPointer(parameters.buffer(entry.range)))
    }
    return vectors
      + batchCounts(of: layout).map {
        Safetensors.Tensor($0, bytes: UnsafeRawBufferPointer(stepCount.buffer))
      }
  }

  /// That a file holds these tensors and no others, counts of batches aside.
  package static func check(
    _ file: SafetensorsFile, has tensors: [(name: String, shape: Shape)]
  ) throws(CheckpointError) {
    let other = "Use the model with the configuration that it was trained with."
    for (name, shape) in tensors {
      guard let found = file[name] else {
        throw CheckpointError(
          at: file.path, expected: "a tensor \(name) \(shape)",
          found: "none of this name among \(file.tensors.prefix(6).map(\.name).joined(separator: ", "))",
          remedy: "This is a checkpoint of another model. \(other)")
      }
      guard found.shape == shape.dimensions else {
        throw CheckpointError(
          at: "\(file.path), tensor \(name)", expected: "shape \(shape)", found: "\(found.shape)",
          remedy: "This is a checkpoint of another model. \(other)")
      }
    }
    let known = Set(tensors.map(\.name))
    let strange = file.tensors.map(\.name).filter { !known.contains($0) && !$0.hasSuffix(batchCount) }
    if let first = strange.first {
      throw CheckpointError(
        at: file.path, expected: "\(tensors.count) tensors",
        found: "\(tensors.count + strange.count), \(first) among them",
        remedy: "This is a checkpoint of another model. \(other)")
    }
  }
}

extension ModelFile.Description {
  private static let configurationKey = "lockstep.configuration"
  private static let normalizationKey = "lockstep.normalization"
  private static let classesKey = "lockstep.classes"
  private static let stepKey = "lockstep.step"
  private static let formKey = "lockstep.samples"
  private static let tokenizerKey = "lockstep.tokenizer"

  var metadata: [String: String] {
    var metadata = ["format": "pt", Self.stepKey: "\(step)", Self.classesKey: Self.json(classNames)]
    metadata[Self.normalizationKey] = Self.json(normalization)
    if let configuration { metadata[Self.configurationKey] = configuration.yaml }
    if let form { metadata[Self.formKey] = Self.json(form) }
    metadata[Self.tokenizerKey] = tokenizer
    return metadata
  }

  init(_ file: SafetensorsFile) throws(CheckpointError) {
    let metadata = file.metadata
    configuration = nil
    if let text = metadata[Self.configurationKey] {
      do {
        configuration = try RunConfiguration.parse(text, file: "\(file.path), \(Self.configurationKey)")
      } catch {
        throw CheckpointError(error.diagnosis)
      }
    }
    normalization = try Self.value(metadata[Self.normalizationKey], .unit, file, Self.normalizationKey)
    guard normalization.isPossible else {
      throw CheckpointError(
        at: "\(file.path), metadata \(Self.normalizationKey)",
        expected: "a finite mean and a deviation above 0 for each channel",
        found: "\(metadata[Self.normalizationKey]?.prefix(80) ?? "")",
        remedy: "Use a file that Lockstep wrote.")
    }
    classNames = try Self.names(metadata[Self.classesKey], file)
    form = try Self.value(metadata[Self.formKey], nil, file, Self.formKey)
    guard form?.isPossible ?? true else {
      throw CheckpointError(
        at: "\(file.path), metadata \(Self.formKey)", expected: "the shape and the targets of samples",
        found: "\(metadata[Self.formKey]?.prefix(80) ?? "")", remedy: "Use a file that Lockstep wrote.")
    }
    tokenizer = metadata[Self.tokenizerKey]
    step = metadata[Self.stepKey].flatMap { Int($0) } ?? 0
  }

  private static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let data = try? encoder.encode(value) else { preconditionFailure("\(value) is not JSON") }
    return String(decoding: data, as: UTF8.self)
  }

  /// More classes than any data can have.
  private static let mostClasses = 1 << 21

  /// The names of classes, which may be very many.
  private static func names(_ text: String?, _ file: SafetensorsFile) throws(CheckpointError) -> [String] {
    guard let text else { return [] }
    var reader = JSONReader<CheckpointError>(
      Array(text.utf8), place: "\(file.path), metadata \(classesKey)",
      remedy: "Use a file that Lockstep wrote, or take this entry out of its metadata.")
    var counting = reader
    var count = 0
    try counting.array(limit: mostClasses) { (reader) throws(CheckpointError) in
      try reader.skipValue(depth: 0)
      count += 1
    }
    var names: [String] = []
    names.reserveCapacity(count)
    try reader.array(limit: count) { (reader) throws(CheckpointError) in
      names.append(try reader.string("the name of a class"))
    }
    try reader.end()
    return names
  }

  /// Of the columns of a table, with a mean and a deviation: more than they can be.
  private static let mostValues = 1 << 19

  private static func value<Value: Decodable>(
    _ text: String?, _ missing: Value, _ file: SafetensorsFile, _ key: String
  ) throws(CheckpointError) -> Value {
    guard let text else { return missing }
    guard JSONBounds.excess(in: text.utf8, values: mostValues, depth: 16) == nil,
      let value = try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
    else {
      throw CheckpointError(
        at: "\(file.path), metadata \(key)", expected: "what Lockstep writes there",
        found: "\(text.prefix(60))",
        remedy: "Use a file that Lockstep wrote, or take this entry out of its metadata.")
    }
    return value
  }
}
