import TensorCore

/// Samples that a program has in memory as floats, with a class each or with some numbers each.
public struct TensorDataset: Dataset {
  public let count: Int
  public let inputShape: [Int]
  public let target: Target
  public var isWeighted: Bool { !weights.isEmpty }
  private let inputs: [Float]
  private let labels: [Int32]
  private let values: [Float]
  private let weights: [Float]

  /// Samples with a class each: `inputs` is [labels.count] + `inputShape`, dense. `weights`, if given, say
  /// how much each sample counts. Throws where a label is not in 0..<classes or there are no samples.
  public init(
    inputs: [Float], inputShape: [Int], labels: [Int32], classes: Int, weights: [Float] = []
  ) throws(DatasetError) {
    if let wrong = labels.firstIndex(where: { $0 < 0 || $0 >= classes }) {
      throw DatasetError(
        at: "a data set in memory", expected: "labels from 0 to \(classes - 1)",
        found: "\(labels[wrong]) as the label of sample \(wrong)",
        remedy: "Correct the label, or give more classes.")
    }
    try self.init(
      inputs: inputs, inputShape: inputShape, count: labels.count, target: .classes(classes),
      labels: labels, values: [], weights: weights)
  }

  /// Samples with some numbers each: `inputs` is [count] + `inputShape`, `values` is
  /// [count, valuesPerSample], both dense. Throws where there are no samples.
  public init(
    inputs: [Float], inputShape: [Int], values: [Float], valuesPerSample: Int = 1, weights: [Float] = []
  ) throws(DatasetError) {
    precondition(
      valuesPerSample > 0 && values.count.isMultiple(of: valuesPerSample),
      "\(values.count) values do not divide into samples of \(valuesPerSample)")
    try self.init(
      inputs: inputs, inputShape: inputShape, count: values.count / valuesPerSample,
      target: .values(valuesPerSample), labels: [], values: values,
      weights: weights)
  }

  private init(
    inputs: [Float], inputShape: [Int], count: Int, target: Target, labels: [Int32], values: [Float],
    weights: [Float]
  ) throws(DatasetError) {
    let size = inputShape.reduce(1, *)
    guard count > 0, size > 0, inputs.count == count * size else {
      throw DatasetError(
        at: "a data set in memory",
        expected: "\(count) inputs of shape \(inputShape), \(count * size) floats, for \(count) targets",
        found: "\(inputs.count) floats",
        remedy: "Give at least one sample, and an input and a target for each.")
    }
    guard weights.isEmpty || weights.count == count && weights.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw DatasetError(
        at: "a data set in memory", expected: "\(count) finite weights, one a sample, none below 0",
        found: "\(weights.count) weights, the least \(weights.min() ?? 0)",
        remedy: "Give each sample a weight of 0 or more, or give no weights.")
    }
    self.inputs = inputs
    self.inputShape = inputShape
    self.count = count
    self.target = target
    self.labels = labels
    self.values = values
    self.weights = weights
  }

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    Self.copy(samples, of: self.inputs, size: inputSize, count: count, to: inputs)
    Self.copy(samples, of: labels, size: target.labelsPerSample, count: count, to: targets.labels)
    Self.copy(samples, of: values, size: target.valuesPerSample, count: count, to: targets.values)
    if isWeighted { Self.copy(samples, of: weights, size: 1, count: count, to: targets.weights) }
  }

  private static func copy<Number: BitwiseCopyable>(
    _ samples: UnsafeBufferPointer<Int>, of source: [Number], size: Int, count: Int,
    to memory: UnsafeMutablePointer<Number>?
  ) {
    guard size > 0 else { return }
    guard let memory else { preconditionFailure("a data set needs memory for its targets") }
    source.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      for (row, sample) in samples.enumerated() {
        precondition(sample >= 0 && sample < count, "there is no sample \(sample)")
        (memory + row * size).update(from: base + sample * size, count: size)
      }
    }
  }

  public func digest() -> String {
    var hash = ContentHash()
    hash.add(inputs)
    hash.add(labels)
    hash.add(values)
    if isWeighted { hash.add(weights) }
    return digest(hash: hash)
  }
}
