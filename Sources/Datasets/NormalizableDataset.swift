/// Data whose stored numbers are normalized when samples are filled, so that one and the same data can be
/// had under another normalization without a copy.
public protocol NormalizableDataset: Dataset {
  /// The same samples under another normalization. Throws where `normalization` is for another number of
  /// channels or columns, or of a kind that these data do not have.
  func normalized(by normalization: Normalization) throws(DatasetError) -> Self

  /// The normalization that gives each channel or column of some samples (nil: of all) mean 0 and standard
  /// deviation 1. A channel or column that never changes gets the deviation 1.
  func standardNormalization(of samples: [Int]?) -> Normalization
}

extension NormalizableDataset {
  /// The same samples under a kind of normalization, whose statistics, if it has any, come from the
  /// `samples` of `training`; nil: all of them. Throws as `normalized(by:)` does.
  public func normalized(
    _ kind: Normalization.Kind, training: any NormalizableDataset, samples: [Int]? = nil
  ) throws(DatasetError) -> Self {
    switch kind {
    case .none: try normalized(by: .none)
    case .unit: try normalized(by: .unit)
    case .standard: try normalized(by: training.standardNormalization(of: samples))
    }
  }
}

extension ByteImages: NormalizableDataset {}
