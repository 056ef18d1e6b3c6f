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
  /// Whether each sample comes with a number that says how much it counts.
  var isWeighted: Bool { get }
  /// The classes' names, in the order of their numbers; empty where targets are values.
  var classNames: [String] { get }
  /// What `fill` does to the stored numbers.
  var normalization: Normalization { get }

  /// Writes samples, normalized, to memory: row k of `inputs` (`[samples.count] + inputShape`, dense) and
  /// of `targets` gets sample `samples[k]`. Of `targets` is there what the data set's `target` and
  /// `isWeighted` say.
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
    target.classCount.map { (0..<$0).map(String.init) } ?? []
  }

  public var isWeighted: Bool { false }

  public var normalization: Normalization { .none }

  /// What a digest says besides the hash.
  package func digest(hash: ContentHash) -> String {
    let shape = ([count] + inputShape).map(String.init).joined(separator: "x")
    let answer =
      switch target {
      case .classes(let count, perSample: 1): "\(count)-classes"
      case .classes(let count, let perSample): "\(perSample)x\(count)-classes"
      case .values(let count): "\(count)-values"
      case .probabilities(let count): "\(count)-probabilities"
      case .input: "itself"
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
