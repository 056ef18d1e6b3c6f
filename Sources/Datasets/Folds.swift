import TensorCore

/// One of the parts into which data are dealt, each of which is validated on once, by a model that is trained on all
/// others.
public struct Fold: Sendable, Equatable {
  /// In 0..<count.
  public let index: Int
  /// How many folds there are, at least 2.
  public let count: Int
  /// Whether each class is dealt to the folds as evenly as all samples are.
  public let isStratified: Bool

  public init(_ index: Int, of count: Int, isStratified: Bool = false) {
    precondition(count >= 2 && index >= 0 && index < count, "fold \(index) of \(count)")
    self.index = index
    self.count = count
    self.isStratified = isStratified
  }
}

extension Dataset {
  /// The samples of a fold for validation, and all others for training, both in their old order.
  ///
  /// Samples are dealt by chance, the same way for the same seed and number of samples: every sample is in one fold, and
  /// the sizes of two folds differ by at most one. Dealt class by class, that holds for the samples of every class too.
  /// Throws where there are fewer samples than folds, or no classes where the fold is stratified. As in
  /// `holdOut(fraction:_:)`, data are augmented after that.
  public func hold(_ fold: Fold, seed: UInt64) throws(DatasetError) -> (training: Subset, validation: Subset)
  {
    precondition(!isAugmented, "hold samples out first, then augment those to train on")
    guard fold.count <= count else {
      throw DatasetError(
        at: "validation.folds", expected: "at most as many folds as there are samples, \(count)",
        found: "\(fold.count)", remedy: "Choose fewer folds: 5 and 10 are usual.")
    }
    var order = Array(0..<count)
    // Epochs shuffle with layer 0, samples are held out with layer 1.
    var stream = RandomStream(seed: seed, purpose: .epochOrder, layer: 2)
    order.withUnsafeMutableBufferPointer { Sampler.shuffle($0, by: &stream) }
    if fold.isStratified { order = try sortedByClass(order) }
    let isHeld = order.indices.map { $0 % fold.count == fold.index }
    let parts = [false, true].map { held in
      order.indices.filter { isHeld[$0] == held }.map { order[$0] }.sorted()
    }
    return (Subset(of: self, indices: parts[0]), Subset(of: self, indices: parts[1]))
  }

  /// Some samples, those of class 0 first; of one class in their order.
  private func sortedByClass(_ samples: [Int]) throws(DatasetError) -> [Int] {
    guard case .classes(let classes, perSample: 1) = target else {
      throw DatasetError(
        at: "validation.stratified", expected: "samples of one class each",
        found: "samples with other answers", remedy: "Leave it out: samples are then dealt by chance alone.")
    }
    var byClass = [[Int]](repeating: [], count: classes)
    // A few megabytes of inputs at a time, which nobody looks at.
    let most = max(1, min(1024, (1 << 20) / max(1, inputSize)))
    let inputs = UnsafeMutablePointer<Float>.allocate(capacity: most * inputSize)
    let labels = UnsafeMutablePointer<Int32>.allocate(capacity: most)
    let weights = UnsafeMutablePointer<Float>.allocate(capacity: most)
    defer {
      inputs.deallocate()
      labels.deallocate()
      weights.deallocate()
    }
    for start in stride(from: 0, to: samples.count, by: most) {
      let some = samples[start..<min(start + most, samples.count)]
      some.withUnsafeBufferPointer {
        fill($0, epoch: 0, inputs: inputs, targets: TargetMemory(labels: labels, weights: weights))
      }
      for (place, sample) in some.enumerated() { byClass[Int(labels[place])].append(sample) }
    }
    return byClass.flatMap { $0 }
  }
}
