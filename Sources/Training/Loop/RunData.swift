import Datasets
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

  /// Reads or draws all splits.
  public init(_ configuration: RunConfiguration) throws(DatasetError) {
    let source = DataSource(configuration)
    if configuration.data.name.isText {
      let text = try source.text(tokenizer: nil)
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
      return
    }
    let (samples, columns) = try source.training()
    let parts = try configuration.holdOut(of: samples)
    // Statistics come from what is trained on, and from nothing else.
    let normalized = try samples.normalized(
      configuration.data.normalization, training: samples, samples: parts?.training.indices)
    normalization = normalized.normalization
    let plain: any Dataset = parts.map { Subset(of: normalized, indices: $0.training.indices) } ?? normalized
    plainTraining = plain
    training =
      configuration.data.augment.isEmpty
      ? plain
      : try AugmentedDataset(
        plain, configuration.data.augment.map(\.augmentation), seed: UInt64(configuration.seed))
    heldOut = parts.map { Subset(of: normalized, indices: $0.validation.indices) }
    test =
      source.hasTestSplit
      ? try source.samples(.test, classes: samples.target.classCount).normalized(by: normalization) : nil
    (tokenizer, entropyRate, self.columns) = (nil, nil, columns)
  }

  /// What the model is tried on while it trains, and what to call it.
  var validation: (data: any Dataset, split: MetricsRecord.Split)? {
    if let heldOut { return (heldOut, .validation) }
    return test.map { ($0, .test) }
  }
}

extension RunConfiguration {
  /// Cuts the training samples in two, where the configuration says so.
  fileprivate func holdOut(
    of samples: any Dataset
  ) throws(DatasetError) -> (training: Subset, validation: Subset)? {
    if let fold = validation.wholeFold { return try samples.hold(fold, seed: UInt64(seed)) }
    guard validation.fraction > 0 else { return nil }
    return try samples.holdOut(fraction: validation.fraction, .random(seed: UInt64(seed)))
  }
}
