import Datasets

/// The data that a configuration names, cut into splits.
public struct RunData: Sendable {
  public let training: any Dataset
  /// Held out of the training samples; nil where the configuration holds nothing out.
  public let heldOut: (any Dataset)?
  /// nil where there are no test samples.
  public let test: (any Dataset)?
  public let normalization: Normalization

  /// Reads or draws all splits.
  public init(_ configuration: RunConfiguration) throws(DatasetError) {
    let images = try Self.load(configuration, .train)
    let parts =
      configuration.validation.fraction > 0
      ? try images.holdOut(
        fraction: configuration.validation.fraction, .random(seed: UInt64(configuration.seed))) : nil
    // Statistics come from what is trained on, and from nothing else.
    let normalized = try images.normalized(
      configuration.data.normalization, training: images,
      samples: parts?.training.indices)
    normalization = normalized.normalization
    training = parts.map { Subset(of: normalized, indices: $0.training.indices) } ?? normalized
    heldOut = parts.map { Subset(of: normalized, indices: $0.validation.indices) }
    test =
      configuration.data.name == .digits && configuration.data.testSamples == 0
      ? nil : try Self.load(configuration, .test).normalized(by: normalization)
  }

  /// One split with a known normalization: for models that have been trained.
  public static func load(
    _ configuration: RunConfiguration, _ split: Split, normalization: Normalization
  ) throws(DatasetError) -> ByteImages {
    try load(configuration, split).normalized(by: normalization)
  }

  private static func load(_ configuration: RunConfiguration, _ split: Split) throws(DatasetError)
    -> ByteImages
  {
    let data = configuration.data
    switch data.name {
    case .digits:
      return try BuiltInDigits.draw(
        split: split, count: split == .train ? data.samples : data.testSamples, seed: UInt64(data.seed),
        threads: configuration.threads)
    case .idx:
      return try IDXImages.load(
        at: data.path ?? ".", split: split, classNames: (0..<data.classes).map(String.init))
    }
  }

  /// What the model is tried on while it trains, and what to call it.
  var validation: (data: any Dataset, split: MetricsRecord.Split)? {
    if let heldOut { return (heldOut, .validation) }
    return test.map { ($0, .test) }
  }
}
