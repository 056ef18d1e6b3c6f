import TensorCore

/// The configuration of a run is wrong: an unknown key, a wrong value, an unreadable file. The place is a
/// file and a line, or the `--set` that said it.
public struct ConfigurationError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
