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
    let training = try Self.load(configuration, .train)
    let kind = Normalization.Kind(configuration.data.normalization)
    let normalized = try training.normalized(kind, training: training)
    normalization = normalized.normalization
    test =
      configuration.data.name == .digits && configuration.data.testSamples == 0
      ? nil : try Self.load(configuration, .test).normalized(by: normalization)
    if configuration.validation.fraction > 0 {
      let parts = try normalized.holdOut(
        fraction: configuration.validation.fraction, .random(seed: UInt64(configuration.seed)))
      self.training = parts.training
      heldOut = parts.validation
    } else {
      self.training = normalized
      heldOut = nil
    }
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

extension Normalization.Kind {
  init(_ name: DataConfiguration.Normalization) {
    self =
      switch name {
      case .none: .none
      case .unit: .unit
      case .standard: .standard
      }
  }
}
