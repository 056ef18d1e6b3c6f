import TensorCore

/// A model asks for something impossible: shapes that do not fit, a name given twice. The place is the
/// layer that asked.
public struct GraphError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
