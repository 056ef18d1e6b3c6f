import Averaging

/// Sums over the samples of some steps.
public struct StepSums: Sendable, Equatable, Codable {
  public var loss = 0.0
  public var correct = 0
  public var samples = 0

  public init() {}

  package mutating func add(_ outcome: SynchronizedStep.Outcome) {
    loss += Double(outcome.loss)
    correct += outcome.correct
    samples += outcome.samples
  }

  /// Not a number where there are no samples.
  public var meanLoss: Double { samples > 0 ? loss / Double(samples) : .nan }
  /// - Parameter answersPerSample: as `Target` says.
  public func accuracy(answersPerSample: Int = 1) -> Double {
    Double(correct) / Double(max(samples * answersPerSample, 1))
  }
}
