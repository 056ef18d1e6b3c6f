import TensorCore

/// A run's records could not be written or read.
public struct ReportingError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
