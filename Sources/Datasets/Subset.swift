import TensorCore

/// Some samples of another data set, in an order of their own.
public struct Subset: Dataset {
  let base: any Dataset
  private let choice: Choice

  private enum Choice {
    case list([Int])
    /// Two runs of neighbours, of which one may be empty: nothing need be kept for each sample.
    case runs(Range<Int>, Range<Int>)
  }

  /// Sample k is sample `indices[k]` of the base.
  public var indices: [Int] {
    switch choice {
    case .list(let indices): indices
    case .runs(let first, let second): Array(first) + Array(second)
    }
  }

  /// The samples of `base` that `indices` name, at least one, each in 0..<base.count.
  public init(of base: any Dataset, indices: [Int]) {
    precondition(!indices.isEmpty, "a subset needs samples")
    precondition(indices.allSatisfy { $0 >= 0 && $0 < base.count }, "an index is not in the data set")
    self.base = base
    choice = .list(indices)
  }

  /// The samples of `base` in two ranges, one behind the other; at least one, each in 0..<base.count.
  init(of base: any Dataset, _ first: Range<Int>, _ second: Range<Int>) {
    precondition(!first.isEmpty || !second.isEmpty, "a subset needs samples")
    for range in [first, second] where !range.isEmpty {
      precondition(range.lowerBound >= 0 && range.upperBound <= base.count, "an index is not in the data set")
    }
    self.base = base
    choice = .runs(first, second)
  }

  public var count: Int {
    switch choice {
    case .list(let indices): indices.count
    case .runs(let first, let second): first.count + second.count
    }
  }

  public var inputShape: [Int] { base.inputShape }
  public var target: Target { base.target }
  public var isWeighted: Bool { base.isWeighted }
  public var classNames: [String] { base.classNames }
  public var normalization: Normalization { base.normalization }

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    let size = base.inputSize
    // 128 numbers are 1,024 bytes: the most that a temporary allocation puts on the stack.
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 128) { translated in
      for start in stride(from: 0, to: samples.count, by: translated.count) {
        let end = min(start + translated.count, samples.count)
        switch choice {
        case .list(let indices):
          for row in start..<end { translated[row - start] = indices[samples[row]] }
        case .runs(let first, let second):
          for row in start..<end {
            let sample = samples[row]
            precondition(sample >= 0 && sample < count, "there is no sample \(sample)")
            translated[row - start] =
              sample < first.count
              ? first.lowerBound + sample : second.lowerBound + sample - first.count
          }
        }
        base.fill(
          UnsafeBufferPointer(rebasing: translated[..<(end - start)]), epoch: epoch,
          inputs: inputs + start * size, targets: targets.advanced(by: start, of: base.target))
      }
    }
  }

  public func digest() -> String {
    var hash = ContentHash()
    hash.add(base.digest())
    switch choice {
    case .list(let indices): hash.add(indices)
    case .runs(let first, let second): hash.add(first, second)
    }
    return digest(hash: hash)
  }
}

/// How samples are chosen for validation.
public enum HoldOut: Sendable, Equatable {
  /// By chance, the same ones for the same seed and number of samples.
  case random(seed: UInt64)
  /// The last ones, for data in the order of time.
  case last
}

extension Dataset {
  /// Splits the data in two: `fraction` of the samples, rounded, for validation, all others for training,
  /// both in their old order. Throws where either part would be empty. Data are augmented after that, the part
  /// for training only: validation would see images changed by chance otherwise.
  public func holdOut(
    fraction: Double, _ choice: HoldOut
  ) throws(DatasetError) -> (training: Subset, validation: Subset) {
    precondition(!isAugmented, "hold samples out first, then augment those to train on")
    let held = fraction >= 0 && fraction <= 1 ? Int((Double(count) * fraction).rounded()) : 0
    guard held > 0, held < count else {
      throw DatasetError(
        at: "the part of the data held out for validation",
        expected: "a fraction of \(count) samples that leaves at least one in either part",
        found: "\(fraction)", remedy: "Choose a fraction between 0 and 1, such as 0.1.")
    }
    var order = Array(0..<count)
    if case .random(let seed) = choice {
      // Epochs shuffle with layer 0.
      var stream = RandomStream(seed: seed, purpose: .epochOrder, layer: 1)
      order.withUnsafeMutableBufferPointer { Sampler.shuffle($0, by: &stream) }
    }
    return (
      Subset(of: self, indices: order[..<(count - held)].sorted()),
      Subset(of: self, indices: order[(count - held)...].sorted())
    )
  }
}
