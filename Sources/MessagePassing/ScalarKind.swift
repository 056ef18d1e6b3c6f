/// Which of the types that MPI has a name for a generic call was made with.
///
/// The communicators turn the type into this value first and are not generic behind it, so that nothing
/// depends on the optimizer's specializing a call through `any Communicator`.
enum ScalarKind: Sendable, Equatable {
  case float, double, int64

  @inline(__always)
  init<Scalar: MessageScalar>(_ type: Scalar.Type) {
    if type == Float.self {
      self = .float
    } else if type == Double.self {
      self = .double
    } else {
      precondition(type == Int64.self, "MPI has no name for \(type) here: use Float, Double or Int64")
      self = .int64
    }
  }

  /// Bytes of one value.
  @inline(__always)
  var byteCount: Int { self == .float ? 4 : 8 }
}
