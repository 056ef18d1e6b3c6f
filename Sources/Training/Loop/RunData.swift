import Datasets
import MessagePassing
import TensorCore

/// The data that a configuration names, cut into splits.
public struct RunData: Sendable {
  /// Augmented, where the configuration says so.
  public let training: any Dataset
  /// The same without augmentation.
  public let plainTraining: any Dataset
  /// Held out of the training samples; nil where the configuration holds nothing out.
  public let heldOut: (any Dataset)?
  /// nil where there are no test samples.
  public let test: (any Dataset)?
  public let normalization: Normalization
  /// Of texts.
  public let tokenizer: (any Tokenizer)?
  /// Of tables.
  public let columns: [String]?
  /// In nats, the loss of a perfect model, where the data are made by the program.
  public let entropyRate: Double?

  /// Why each rank of a machine keeps the samples for itself; nil where they lie in memory once.
  package let note: String?

  /// Reads or draws all splits.
  public init(_ configuration: RunConfiguration) throws(DatasetError) {
    try self.init(configuration, SourceData(configuration), note: nil)
  }

  /// The same, read by one rank of each machine for all of them, unless they talk in messages alone. All ranks call it;
  /// what goes wrong on one, all throw.
  package static func read(
    _ configuration: RunConfiguration, over communicator: any Communicator
  ) throws -> RunData {
    try read(configuration, over: communicator, from: nil)
  }

  /// - Parameter shelf: with what other parts of the world have read.
  static func read(
    _ configuration: RunConfiguration, over communicator: any Communicator, from shelf: DataShelf?
  ) throws -> RunData {
    let (source, note) = try readOncePerMachine(
      communicator, shares: configuration.averaging.sharesMemory,
      on: shelf.map { ($0, SourceData.key(configuration)) }
    ) { try SourceData(configuration) }
    return try together(communicator) { try RunData(configuration, source, note: note) }
  }

  private init(
    _ configuration: RunConfiguration, _ source: SourceData, note: String?
  ) throws(DatasetError) {
    self.note = note
    switch source {
    case .text(let text):
      if let fold = configuration.validation.wholeFold {
        // What is held out of the text in any case is then what nobody has validated on.
        let parts = try text.training.hold(fold, at: configuration.data.path ?? "the built-in text")
        (training, plainTraining) = (parts.training, parts.training)
        (heldOut, test) = (parts.validation, text.validation)
      } else {
        (training, plainTraining) = (text.training, text.training)
        (heldOut, test) = (text.validation, nil)
      }
      normalization = .none
      (tokenizer, entropyRate, columns) = (text.tokenizer, text.entropyRate, nil)
    case .samples(let samples):
      let read = samples.training.dataset
      // Statistics come from what is trained on, and from nothing else.
      let all = try read.normalized(
        configuration.data.normalization, training: read,
        samples: configuration.holdOut(of: read)?.training.indices)
      let parts = try configuration.holdOut(of: all)
      let plain: any Dataset = parts.map { Subset(of: all, indices: $0.training.indices) } ?? all
      plainTraining = plain
      training =
        configuration.data.augment.isEmpty
        ? plain
        : try AugmentedDataset(
          plain, configuration.data.augment.map(\.augmentation), seed: UInt64(configuration.seed))
      heldOut = parts.map { Subset(of: all, indices: $0.validation.indices) }
      test = try samples.test?.dataset.normalized(by: all.normalization)
      normalization = all.normalization
      (tokenizer, entropyRate, columns) = (nil, nil, samples.columns)
    }
  }

  /// What the model is tried on while it trains, and what to call it.
  var validation: (data: any Dataset, split: MetricsRecord.Split)? {
    if let heldOut { return (heldOut, .validation) }
    return test.map { ($0, .test) }
  }
}
