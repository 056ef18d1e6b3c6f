import TensorCore

/// Where the targets of some samples lie; what the data set has none of is nil.
public struct TargetMemory {
  /// So many class numbers a sample as `Target.labelsPerSample` says, sample behind sample.
  public var labels: UnsafeMutablePointer<Int32>?
  /// So many floats a sample as `Target.valuesPerSample` says, sample behind sample.
  public var values: UnsafeMutablePointer<Float>?
  /// How much each sample counts.
  public var weights: UnsafeMutablePointer<Float>?

  public init(
    labels: UnsafeMutablePointer<Int32>? = nil, values: UnsafeMutablePointer<Float>? = nil,
    weights: UnsafeMutablePointer<Float>? = nil
  ) {
    self.labels = labels
    self.values = values
    self.weights = weights
  }

  public static func labels(_ labels: UnsafeMutablePointer<Int32>) -> TargetMemory { .init(labels: labels) }

  public static func values(_ values: UnsafeMutablePointer<Float>) -> TargetMemory { .init(values: values) }

  /// The memory of the samples from number `samples` on.
  func advanced(by samples: Int, of target: Target) -> TargetMemory {
    TargetMemory(
      labels: labels.map { $0 + samples * target.labelsPerSample },
      values: values.map { $0 + samples * target.valuesPerSample }, weights: weights.map { $0 + samples })
  }
}
