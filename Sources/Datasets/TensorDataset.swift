import TensorCore

/// Samples that a program has in memory as floats, with a class each or with some numbers each: tables,
/// arrays, or what a program made itself.
public struct TensorDataset: NormalizableDataset {
  public let count: Int
  public let inputShape: [Int]
  public let target: Target
  public var isWeighted: Bool { !weights.isEmpty }
  public let classNames: [String]
  public private(set) var normalization = Normalization.none
  private let inputs: StoredInputs
  private let labels: StoredNumbers<Int32>
  private let values: StoredNumbers<Float>
  /// [count]: how much each sample counts; empty where all count the same.
  private let weights: StoredNumbers<Float>

  /// Samples with a class each: `inputs` is [labels.count] + `inputShape`, dense; `weights` is
  /// [labels.count], or empty. Throws where a label is not in 0..<classes or there are no samples.
  public init(
    inputs: [Float], inputShape: [Int], labels: [Int32], classes: Int, weights: [Float] = []
  ) throws(DatasetError) {
    try self.init(
      inputs: inputs, inputShape: inputShape, labels: labels, classNames: (0..<classes).map(String.init),
      weights: weights)
  }

  /// Samples with a class each, whose names are in the order of their numbers.
  public init(
    inputs: [Float], inputShape: [Int], labels: [Int32], classNames: [String], weights: [Float] = [],
    place: String = "a data set in memory"
  ) throws(DatasetError) {
    try self.init(
      inputs: StoredInputs(StoredNumbers(inputs)), inputShape: inputShape, labels: StoredNumbers(labels),
      classNames: classNames, weights: StoredNumbers(weights), place: place)
  }

  init(
    inputs: StoredInputs, inputShape: [Int], labels: StoredNumbers<Int32>, classNames: [String],
    weights: StoredNumbers<Float>, place: String
  ) throws(DatasetError) {
    try labels.withUnsafeBufferPointer { (labels) throws(DatasetError) in
      guard let wrong = labels.firstIndex(where: { $0 < 0 || $0 >= classNames.count }) else { return }
      throw DatasetError(
        at: place, expected: "labels from 0 to \(classNames.count - 1)",
        found: "\(labels[wrong]) as the label of sample \(wrong)",
        remedy: "Correct the label, or give more classes.")
    }
    try self.init(
      inputs: inputs, inputShape: inputShape, count: labels.count, target: .classes(classNames.count),
      labels: labels, values: StoredNumbers([]), classNames: classNames, weights: weights, place: place)
  }

  /// Samples with some numbers each: `inputs` is [count] + `inputShape`, `values` is
  /// [count, valuesPerSample], both dense; `weights` is [count], or empty. Throws where there are no samples.
  public init(
    inputs: [Float], inputShape: [Int], values: [Float], valuesPerSample: Int = 1, weights: [Float] = [],
    place: String = "a data set in memory"
  ) throws(DatasetError) {
    try self.init(
      inputs: StoredInputs(StoredNumbers(inputs)), inputShape: inputShape, values: StoredNumbers(values),
      valuesPerSample: valuesPerSample, weights: StoredNumbers(weights), place: place)
  }

  init(
    inputs: StoredInputs, inputShape: [Int], values: StoredNumbers<Float>, valuesPerSample: Int = 1,
    weights: StoredNumbers<Float> = StoredNumbers([]), place: String
  ) throws(DatasetError) {
    precondition(
      valuesPerSample > 0 && values.count.isMultiple(of: valuesPerSample),
      "\(values.count) values do not divide into samples of \(valuesPerSample)")
    try self.init(
      inputs: inputs, inputShape: inputShape, count: values.count / valuesPerSample,
      target: .values(valuesPerSample), labels: StoredNumbers([]), values: values, classNames: [],
      weights: weights, place: place)
  }

  private init(
    inputs: StoredInputs, inputShape: [Int], count: Int, target: Target,
    labels: StoredNumbers<Int32>, values: StoredNumbers<Float>, classNames: [String],
    weights: StoredNumbers<Float>, place: String
  ) throws(DatasetError) {
    let size = inputShape.reduce(1, *)
    guard count > 0, size > 0, inputs.count == count * size else {
      throw DatasetError(
        at: place,
        expected: "\(count) inputs of shape \(inputShape), \(count * size) floats, for \(count) targets",
        found: "\(inputs.count) floats",
        remedy: "Give at least one sample, and an input and a target for each.")
    }
    try weights.withUnsafeBufferPointer { (weights) throws(DatasetError) in
      guard weights.isEmpty || weights.count == count && weights.allSatisfy({ $0 >= 0 && $0.isFinite })
      else {
        throw DatasetError(
          at: place, expected: "\(count) finite weights, one a sample, none below 0",
          found: "\(weights.count) weights, the least \(weights.min() ?? 0)",
          remedy: "Give each sample a weight of 0 or more, or give no weights.")
      }
    }
    self.inputs = inputs
    self.inputShape = inputShape
    self.count = count
    self.target = target
    self.labels = labels
    self.values = values
    self.classNames = classNames
    self.weights = weights
  }

  // MARK: - Normalization

  /// What has statistics of its own: each number of a table's row, each channel of images, else all
  /// together.
  private var groups: Int { inputShape.count == 1 || inputShape.count == 3 ? inputShape[0] : 1 }

  /// The same samples under another normalization: none, or each column or channel less its mean and
  /// divided by its standard deviation. Throws where `normalization` is for another number of columns, or
  /// for bytes.
  public func normalized(by normalization: Normalization) throws(DatasetError) -> TensorDataset {
    let wanted = normalization.channels ?? groups
    guard normalization.kind != .unit, wanted == groups else {
      throw DatasetError(
        at: "the normalization of \(inputShape) numbers a sample",
        expected: "none or standard, for \(groups) columns or channels",
        found: normalization.kind == .unit ? "unit, which is for bytes" : "one for \(wanted)",
        remedy: "Set data.normalization to standard or none, and use data like those trained on.")
    }
    var copy = self
    copy.normalization = normalization
    return copy
  }

  public func standardNormalization(of samples: [Int]? = nil) -> Normalization {
    let samples = samples ?? Array(0..<count)
    precondition(!samples.isEmpty, "statistics of no samples")
    let size = inputSize
    let groupSize = size / groups
    let numbers = Double(samples.count * groupSize)
    // Twice through the data: squares of numbers far from zero would cancel.
    func sums(_ term: (_ group: Int, _ value: Double) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: groups)
      inputs.forEach(samples, size: size) { inputs in
        for group in 0..<groups {
          for index in group * groupSize..<(group + 1) * groupSize {
            sums[group] += term(group, Double(inputs[index]))
          }
        }
      }
      return sums
    }
    let means = sums { $1 }.map { $0 / numbers }
    let squares = sums { ($1 - means[$0]) * ($1 - means[$0]) }
    let deviations = zip(squares, means).map { square, mean in
      let deviation = (square / numbers).squareRoot()
      return deviation > 1e-9 * max(abs(mean), 1e-30) ? deviation : 1
    }
    return .standard(mean: means, standardDeviation: deviations)
  }

  // MARK: - Samples

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    self.inputs.copy(samples, size: inputSize, to: inputs)
    if normalization.kind == .standard { normalize(inputs, count: samples.count) }
    Self.copy(samples, of: labels, size: target.labelsPerSample, count: count, to: targets.labels)
    Self.copy(samples, of: values, size: target.valuesPerSample, count: count, to: targets.values)
    if isWeighted { Self.copy(samples, of: weights, size: 1, count: count, to: targets.weights) }
  }

  /// In doubles: a year's column would lose its last digits otherwise.
  private func normalize(_ rows: UnsafeMutablePointer<Float>, count: Int) {
    let size = inputSize
    let groupSize = size / groups
    normalization.mean.withUnsafeBufferPointer { means in
      normalization.standardDeviation.withUnsafeBufferPointer { deviations in
        for row in 0..<count {
          for index in 0..<size {
            let group = index / groupSize
            let value = Double(rows[row * size + index])
            rows[row * size + index] = Float((value - means[group]) / deviations[group])
          }
        }
      }
    }
  }

  private static func copy<Number>(
    _ samples: UnsafeBufferPointer<Int>, of source: StoredNumbers<Number>, size: Int, count: Int,
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
    inputs.add(to: &hash)
    hash.add(labels)
    hash.add(values)
    if isWeighted { hash.add(weights) }
    return digest(hash: hash)
  }
}

extension TensorDataset: ShareableData {
  private struct Outline: Codable {
    let count: Int
    let inputShape: [Int]
    let target: Target
    let classNames: [String]
    let normalization: Normalization
    let inputForm: String?
  }

  public func add(to archive: inout DataArchive) {
    archive.add(
      Outline(
        count: count, inputShape: inputShape, target: target, classNames: classNames,
        normalization: normalization, inputForm: inputs.form))
    inputs.add(to: &archive)
    archive.add(labels)
    archive.add(values)
    archive.add(weights)
  }

  public init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    let outline = try archive.next(Outline.self)
    (count, inputShape, classNames) = (outline.count, outline.inputShape, outline.classNames)
    (target, normalization) = (outline.target, outline.normalization)
    inputs = try StoredInputs(from: &archive, form: outline.inputForm)
    labels = try archive.nextNumbers(Int32.self)
    values = try archive.nextNumbers(Float.self)
    weights = try archive.nextNumbers(Float.self)
  }
}
