import TensorCore

/// A launch that cannot begin as asked: no launcher, a host file that cannot be read, too few slots.
public struct LaunchError: DiagnosedError {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}
