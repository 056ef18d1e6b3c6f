import TensorCore

/// Something is wrong with data: a file is missing, damaged or not what it should be, or the samples do
/// not fit what is asked of them.
public struct DatasetError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
