import Glibc
import TensorCore

/// A checkpoint, a safetensors file or a run's folder could not be written or read.
public struct CheckpointError: DiagnosedError, Equatable {
  public let diagnosis: Diagnosis

  public init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }

  /// A system call failed; `code` is the `errno` it left.
  package static func system(_ attempt: String, at path: String, code: Int32) -> CheckpointError {
    let remedy =
      switch code {
      case ENOSPC, EDQUOT: "Free space on this file system, or choose another output folder."
      case EACCES, EPERM, EROFS: "Choose a folder that this user may write, or change its permissions."
      case ENOENT, ENOTDIR: "Check the path."
      case EIO: "The disk or the network file system failed; check it before the next run."
      case ELOOP: "Put the file itself there: symbolic links are not followed in a checkpoint."
      default: "Check the file system that holds it."
      }
    let text = strerror(code).map { String(cString: $0) } ?? "error \(code)"
    return CheckpointError(
      at: path, expected: "to \(attempt)", found: "\"\(text)\" (errno \(code))", remedy: remedy)
  }
}
