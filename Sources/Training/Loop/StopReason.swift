import MessagePassing

/// Why ranks have stopped before the end, as all of them together know it: a signal may have come to any of them.
struct StopReason {
  let isSignal: Bool

  /// All ranks call it.
  init(over communicator: any Communicator) throws(MessagePassingError) {
    let own: [UInt8] = [StopSignal.request == nil ? 0 : 1]
    isSignal = try communicator.allgather(bytes: own).contains([1])
  }

  /// - Parameter timeLimit: in seconds; nil where there is none.
  func words(timeLimit: Double?) -> String {
    guard !isSignal, let timeLimit else { return "a signal" }
    return "the time limit of \(NumberText.duration(timeLimit))"
  }
}
