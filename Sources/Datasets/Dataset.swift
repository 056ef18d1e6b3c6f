import TensorCore

/// Samples to train or to validate with: numbered 0..<count, all of one shape.
///
/// A data set is read from several threads at once, so it does not change, and two ranks that name the
/// same data hold the same samples under the same numbers.
public protocol Dataset: Sendable {
  /// The number of samples.
  var count: Int { get }
  /// The shape of one sample, without the batch: `[channels, height, width]` for images.
  var inputShape: [Int] { get }
  /// What a model learns to answer.
  var target: Target { get }
  /// The classes' names, in the order of their numbers; empty where targets are values.
  var classNames: [String] { get }
  /// What `fill` does to the stored numbers.
  var normalization: Normalization { get }

  /// Writes samples, normalized, to memory: row k of `inputs` (`[samples.count] + inputShape`, dense) and
  /// of `targets` gets sample `samples[k]`.
  ///
  /// `epoch` is for data that differ from epoch to epoch, such as augmented ones. The call may come from
  /// any thread; it must depend on nothing but its arguments, and should allocate nothing.
  func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory)

  /// A short text that differs where the data differ: number, shape, targets and a hash of every stored
  /// number, before normalization. It finds accidents, not attacks: the hash is not cryptographic.
  ///
  /// All data are read for it, at several GB/s: ask once.
  func digest() -> String
}

extension Dataset {
  /// The numbers in one sample's input.
  public var inputSize: Int { inputShape.reduce(1, *) }

  public var classNames: [String] {
    switch target {
    case .classes(let count): (0..<count).map(String.init)
    case .values: []
    }
  }

  public var normalization: Normalization { .none }

  /// What a digest says besides the hash.
  package func digest(hash: ContentHash) -> String {
    let shape = ([count] + inputShape).map(String.init).joined(separator: "x")
    let answer =
      switch target {
      case .classes(let count): "\(count)-classes"
      case .values(let count): "\(count)-values"
      }
    return "\(shape)-\(answer)-\(hash.text)"
  }
}

/// The two halves in which data are published.
public enum Split: String, Sendable, Codable, CaseIterable {
  /// To learn from.
  case train
  /// To see what was learned.
  case test
}

/// What a model learns to answer for a sample.
public enum Target: Sendable, Equatable {
  /// One of so many classes, 0..<count.
  case classes(Int)
  /// So many real numbers.
  case values(Int)
}

/// Where the targets of some samples lie; the case is that of the data set's `target`.
public enum TargetMemory {
  /// One class number a sample.
  case labels(UnsafeMutablePointer<Int32>)
  /// So many floats a sample as `Target.values` says, sample behind sample.
  case values(UnsafeMutablePointer<Float>)

  /// The class numbers, where targets are classes.
  public var labels: UnsafeMutablePointer<Int32>? {
    if case .labels(let labels) = self { labels } else { nil }
  }

  /// The numbers, where targets are values.
  public var values: UnsafeMutablePointer<Float>? {
    if case .values(let values) = self { values } else { nil }
  }

  /// The memory of the samples from number `samples` on.
  func advanced(by samples: Int, of target: Target) -> TargetMemory {
    switch (self, target) {
    case (.labels(let labels), .classes): .labels(labels + samples)
    case (.values(let values), .values(let count)): .values(values + samples * count)
    default: preconditionFailure("memory for labels and for values was mixed up")
    }
  }
}
