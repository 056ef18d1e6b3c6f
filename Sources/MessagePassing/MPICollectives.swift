internal import COpenMPI

// The calls that all ranks make together, over MPI.

extension MPICommunicator {
  public func barrier() throws(MessagePassingError) {
    if size == 1 { return }
    try current.keep(MPI_Ibarrier(world, current.next()), "MPI_Ibarrier")
    try wait(on: &current, "MPI_Ibarrier")
  }

  public func broadcast(
    _ memory: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(MessagePassingError) {
    checkRoot(root, size: size)
    if size == 1 { return }
    for piece in Pieces(of: memory.count, largest: largestCount) {
      try current.keep(
        MPI_Ibcast(
          memory.baseAddress.map { $0 + piece.start }, piece.count, lockstep_mpi_byte(), Int32(root), world,
          current.next()), "MPI_Ibcast")
    }
    try wait(on: &current, "MPI_Ibcast")
  }

  /// Up to this many bytes an allreduce waits in `wait(on:_:)` altogether.
  private static let bytesOfSmallAllreduce = 4096

  /// The nonblocking form, tested until it is complete, takes 1.7 times as long as the blocking one at
  /// 400 KB and 2.5 times at 8 MB (two ranks on one machine; the library has slower algorithms for it). So
  /// a long allreduce first waits, in `barrier`, until all ranks have come, and then blocks for no longer
  /// than the transfer takes.
  public func allreduce<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, _ reduction: Reduction
  ) throws(MessagePassingError) {
    if size == 1 || memory.isEmpty { return }
    let kind = ScalarKind(Scalar.self)
    let values = UnsafeMutableRawPointer(memory.baseAddress)
    if memory.count * kind.byteCount <= Self.bytesOfSmallAllreduce && memory.count <= largestCount {
      try current.keep(
        MPI_Iallreduce(
          lockstep_mpi_in_place(), values, Int32(memory.count), kind.datatype, reduction.operation, world,
          current.next()), "MPI_Iallreduce")
      return try wait(on: &current, "MPI_Iallreduce")
    }
    try barrier()
    for piece in Pieces(of: memory.count, largest: largestCount) {
      try check(
        MPI_Allreduce(
          lockstep_mpi_in_place(), values.map { $0 + piece.start * kind.byteCount }, piece.count,
          kind.datatype, reduction.operation, world), "MPI_Allreduce")
    }
  }

  public func startAllreduce(_ memory: UnsafeMutableBufferPointer<Float>) throws(MessagePassingError) {
    if size == 1 || memory.isEmpty { return }
    for piece in Pieces(of: memory.count, largest: largestCount) {
      try started.keep(
        MPI_Iallreduce(
          lockstep_mpi_in_place(), memory.baseAddress.map { $0 + piece.start }, piece.count,
          lockstep_mpi_float(), lockstep_mpi_sum(), world, started.next()), "MPI_Iallreduce")
    }
  }

  public func finishAllreduces() throws(MessagePassingError) {
    if started.count > 0 { try wait(on: &started, "MPI_Iallreduce") }
  }

  public func allgather<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, slices: [Range<Int>]
  ) throws(MessagePassingError) {
    checkSlices(slices, count: memory.count, size: size)
    if size == 1 { return }
    let kind = ScalarKind(Scalar.self)
    try allgather(memory.baseAddress, kind.datatype, bytesPerValue: kind.byteCount, slices)
  }

  /// Gathers values of any type that MPI has a name for.
  private func allgather(
    _ memory: UnsafeMutableRawPointer?, _ datatype: MPI_Datatype?, bytesPerValue: Int, _ slices: [Range<Int>]
  ) throws(MessagePassingError) {
    guard let memory, let end = slices.last?.upperBound, end > 0 else { return }
    if end <= largestCount {
      for (index, slice) in slices.enumerated() {
        counts[index] = Int32(slice.count)
        displacements[index] = Int32(slice.lowerBound)
      }
      try current.keep(
        MPI_Iallgatherv(
          lockstep_mpi_in_place(), 0, datatype, memory, counts, displacements, datatype, world,
          current.next()), "MPI_Iallgatherv")
      return try wait(on: &current, "MPI_Iallgatherv")
    }
    for (owner, slice) in slices.enumerated() where !slice.isEmpty {
      for piece in Pieces(of: slice.count, largest: largestCount) {
        let start = memory + (slice.lowerBound + piece.start) * bytesPerValue
        try current.keep(
          MPI_Ibcast(start, piece.count, datatype, Int32(owner), world, current.next()), "MPI_Ibcast")
      }
    }
    try wait(on: &current, "MPI_Ibcast")
  }

  public func allgather(bytes: [UInt8]) throws(MessagePassingError) -> [[UInt8]] {
    if size == 1 { return [bytes] }
    var lengths = [Int64](repeating: 0, count: size)
    lengths[rank] = Int64(bytes.count)
    let places = lengths.indices.map { $0..<$0 + 1 }
    try lengths.withUnsafeMutableBufferPointer { (memory) throws(MessagePassingError) in
      try allgather(memory, slices: places)
    }
    var slices: [Range<Int>] = []
    for length in lengths {
      let start = slices.last?.upperBound ?? 0
      slices.append(start..<start + Int(length))
    }
    let total = slices.last?.upperBound ?? 0
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(total, 1))
    defer { memory.deallocate() }
    (memory + slices[rank].lowerBound).update(from: bytes, count: bytes.count)
    try allgather(memory, lockstep_mpi_byte(), bytesPerValue: 1, slices)
    return slices.map { Array(UnsafeBufferPointer(start: memory + $0.lowerBound, count: $0.count)) }
  }
}

extension ScalarKind {
  @inline(__always)
  fileprivate var datatype: MPI_Datatype? {
    switch self {
    case .float: lockstep_mpi_float()
    case .double: lockstep_mpi_double()
    case .int64: lockstep_mpi_int64()
    }
  }
}

extension Reduction {
  @inline(__always)
  fileprivate var operation: MPI_Op? {
    switch self {
    case .sum: lockstep_mpi_sum()
    case .minimum: lockstep_mpi_minimum()
    case .maximum: lockstep_mpi_maximum()
    }
  }
}
