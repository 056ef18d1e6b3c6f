/// What a model learns to answer for a sample.
public enum Target: Sendable, Hashable, Codable {
  /// Of so many classes, 0..<count, the right one; for sequences the right ones, so many a sample.
  case classes(Int, perSample: Int = 1)
  /// So many real numbers.
  case values(Int)
  /// For each of so many classes how probable it is.
  case probabilities(Int)
  /// The sample itself, of so many numbers, to be put together again.
  case input(Int)

  /// The number of classes to tell apart, where there are any.
  public var classCount: Int? {
    switch self {
    case .classes(let count, _), .probabilities(let count): count
    case .values, .input: nil
    }
  }

  /// The class numbers that go with a sample.
  public var labelsPerSample: Int { if case .classes(_, let count) = self { count } else { 0 } }

  /// The real numbers that go with a sample.
  public var valuesPerSample: Int {
    switch self {
    case .values(let count), .probabilities(let count): count
    case .classes, .input: 0
    }
  }

  /// The answers that are counted as right or wrong, a sample; 0 where no classes are predicted.
  public var answersPerSample: Int {
    switch self {
    case .classes(_, let count): count
    case .probabilities: 1
    case .values, .input: 0
    }
  }
}
