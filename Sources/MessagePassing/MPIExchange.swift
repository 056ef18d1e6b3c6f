internal import COpenMPI

// Messages between ranks, over MPI.

extension MPICommunicator {
  public func exchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError) {
    try open(sends: sends, receives: receives, tag: 0, in: &current)
    try wait(on: &current, "exchange of messages (MPI_Irecv, MPI_Isend)")
    try checkLengths(current)
  }

  public func startExchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError) {
    try open(sends: sends, receives: receives, tag: 1, in: &messages)
  }

  public func finishExchanges() throws(MessagePassingError) {
    if messages.count == 0 { return }
    try wait(on: &messages, "started messages (MPI_Irecv, MPI_Isend)")
    try checkLengths(messages)
  }

  private func open(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>, tag: Int32,
    in requests: inout RequestBuffer
  ) throws(MessagePassingError) {
    checkPeers(sends, rank: rank, size: size)
    checkPeers(receives, rank: rank, size: size)
    // Receives first: a message that finds its place waiting is not copied twice.
    for message in receives {
      for piece in Pieces(of: message.memory.count, largest: largestCount) {
        try requests.keep(
          MPI_Irecv(
            message.memory.baseAddress.map { $0 + piece.start }, piece.count, lockstep_mpi_float(),
            Int32(message.peer), tag, world, requests.next()), "MPI_Irecv", receiving: piece.count)
      }
    }
    for message in sends {
      for piece in Pieces(of: message.memory.count, largest: largestCount) {
        try requests.keep(
          MPI_Isend(
            message.memory.baseAddress.map { $0 + piece.start }, piece.count, lockstep_mpi_float(),
            Int32(message.peer), tag, world, requests.next()), "MPI_Isend")
      }
    }
  }

  /// MPI refuses a message that is too long for its place, but lets one pass that is too short.
  func checkLengths(_ requests: borrowing RequestBuffer) throws(MessagePassingError) {
    guard let message = requests.firstShortMessage() else { return }
    throw MessagePassingError(
      at: "exchange of messages, from rank \(message.peer) to rank \(rank)",
      expected: "\(message.expected) floats", found: "\(message.received)",
      remedy: "Check that all ranks run the same program on the same configuration.")
  }
}
