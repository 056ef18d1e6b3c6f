import TensorCore

/// A training that cannot begin or go on as asked: its parts don't fit together, or the run's folder is not
/// what it should be.
public struct TrainingError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
