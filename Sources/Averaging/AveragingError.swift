import TensorCore

/// A step whose gradients cannot be used. All ranks throw it alike, and no weight has changed.
public struct AveragingError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
