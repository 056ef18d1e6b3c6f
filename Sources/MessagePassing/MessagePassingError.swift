import TensorCore

/// Messages could not be passed: the launcher, the MPI library or another rank is the cause.
public struct MessagePassingError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
