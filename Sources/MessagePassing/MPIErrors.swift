internal import COpenMPI

// What the MPI library answers, in our words: its codes become `MessagePassingError`.

/// Throws unless the MPI function `call` returned success.
@inline(__always)
func check(_ code: Int32, _ call: StaticString) throws(MessagePassingError) {
  if code != MPI_SUCCESS { throw mpiFailure(code, call) }
}

/// The error that MPI's `code`, returned by the function `call`, stands for.
@inline(never)
func mpiFailure(_ code: Int32, _ call: StaticString) -> MessagePassingError {
  var errorClass = code
  MPI_Error_class(code, &errorClass)
  let remedy =
    switch errorClass {
    case MPI_ERR_TRUNCATE:
      "The ranks passed different lengths to the same call: check that all run the same program on the "
        + "same configuration."
    default:
      "Look at what the other ranks wrote first: one of them may have ended, or the network between the "
        + "machines failed."
    }
  return MessagePassingError(
    at: "\(call)", expected: "success", found: "\"\(mpiErrorText(code))\" (code \(code))", remedy: remedy)
}

private func mpiErrorText(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(lockstep_mpi_max_error_string()) + 1) { text in
    text.initialize(repeating: 0)
    var length: Int32 = 0
    guard let start = text.baseAddress, MPI_Error_string(code, start, &length) == MPI_SUCCESS else {
      return "an unknown error"
    }
    return String(cString: start)
  }
}
