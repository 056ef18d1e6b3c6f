internal import COpenMPI

/// Requests that MPI is still working on, in memory that grows to the largest number ever open and is
/// then reused, so that a step in steady state allocates nothing.
struct RequestBuffer: ~Copyable {
  private(set) var count = 0
  private var capacity: Int
  private var requests: UnsafeMutablePointer<MPI_Request?>
  private var statuses: UnsafeMutablePointer<MPI_Status>
  /// The floats that each request is to receive; negative for others.
  private var expected: UnsafeMutablePointer<Int32>
  /// How many were complete at last.
  private var completed = 0

  init(capacity: Int = 64) {
    self.capacity = capacity
    requests = .allocate(capacity: capacity)
    statuses = .allocate(capacity: capacity)
    expected = .allocate(capacity: capacity)
  }

  deinit {
    expected.deallocate()
    requests.deallocate()
    statuses.deallocate()
  }

  /// A place for one more request, for the call that opens it; taken only when `keep` follows.
  mutating func next() -> UnsafeMutablePointer<MPI_Request?> {
    if count == capacity {
      let larger = UnsafeMutablePointer<MPI_Request?>.allocate(capacity: 2 * capacity)
      larger.update(from: requests, count: count)
      let moreExpected = UnsafeMutablePointer<Int32>.allocate(capacity: 2 * capacity)
      moreExpected.update(from: expected, count: count)
      expected.deallocate()
      expected = moreExpected
      requests.deallocate()
      statuses.deallocate()
      capacity *= 2
      requests = larger
      statuses = .allocate(capacity: capacity)
    }
    requests[count] = lockstep_mpi_request_null()
    return requests + count
  }

  /// Keeps the request that a call has put into `next()`, if the call returned success.
  ///
  /// - Parameter floats: how many are to be received, if this is a receive.
  mutating func keep(
    _ code: Int32, _ call: StaticString, receiving floats: Int32 = -1
  ) throws(MessagePassingError) {
    try check(code, call)
    expected[count] = floats
    count += 1
  }

  /// Whether all requests are complete; if they are, the buffer is empty and their statuses can be read
  /// until the next one is opened. Lets MPI work on whatever is open.
  mutating func testAll(_ call: StaticString) throws(MessagePassingError) -> Bool {
    var done: Int32 = 0
    let code = MPI_Testall(Int32(count), requests, &done, statuses)
    if code != MPI_SUCCESS {
      let cause = code == MPI_ERR_IN_STATUS ? firstErrorInStatuses() : code
      count = 0
      throw mpiFailure(cause, call)
    }
    if done == 0 { return false }
    completed = count
    count = 0
    return true
  }

  /// Once all are complete: a message that was shorter than its place.
  func firstShortMessage() -> (peer: Int, expected: Int, received: Int)? {
    for index in 0..<completed where expected[index] >= 0 {
      var received: Int32 = 0
      MPI_Get_count(statuses + index, lockstep_mpi_float(), &received)
      if received != expected[index] {
        return (Int(statuses[index].MPI_SOURCE), Int(expected[index]), Int(received))
      }
    }
    return nil
  }

  private func firstErrorInStatuses() -> Int32 {
    for index in 0..<count {
      let code = statuses[index].MPI_ERROR
      if code != MPI_SUCCESS && code != MPI_ERR_PENDING { return code }
    }
    return MPI_ERR_IN_STATUS
  }
}
