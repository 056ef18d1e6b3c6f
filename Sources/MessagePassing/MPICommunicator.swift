internal import COpenMPI
import Foundation

/// The ranks as processes over Open MPI.
///
/// It works on a communicator of its own, so that its messages cannot meet those of other code. Ranks are numbered
/// machine by machine in it, whatever the launcher's mapping, so that neighbouring shards are computed on one machine.
/// Errors of the library come back as `MessagePassingError`. Almost all waiting for other ranks happens
/// in `wait(on:_:)`; only `allreduce` of more than a few kilobytes ends in a blocking call, see there.
/// Only the thread that made it may use it.
public final class MPICommunicator: Communicator {
  public let rank: Int
  public let size: Int
  public let machine: Machine
  public let machines: [Range<Int>]
  public var patience = Waiting.defaultPatience

  /// The most values that one MPI call is given; longer calls are cut. Tests make it small; all ranks
  /// must have the same.
  package var largestCount = Int(Int32.max)

  private(set) var world: MPI_Comm?
  /// The ranks of this machine.
  private(set) var sharingMemory: MPI_Comm?
  /// Memory that is shared with them, until nobody uses it any more.
  var windows: [MPIWindow] = []
  /// Sums that `startAllreduce` has begun.
  private var started = RequestBuffer()
  /// Messages that `startExchange` has begun.
  private var messages = RequestBuffer()
  /// Notes to other machines.
  var notes = NoteBuffer()
  /// Where this rank says that it waits; nil while nobody watches.
  package var whereabouts: Whereabouts?
  /// Requests of the call that is being made.
  private var current = RequestBuffer()
  /// The slices of an allgather as MPI wants them, [size] each.
  private let counts: UnsafeMutablePointer<Int32>
  private let displacements: UnsafeMutablePointer<Int32>
  private let finalizesLibrary: Bool
  /// Where the library keeps what the ranks of this machine share.
  private let sharedFolder: SharedMemoryFolder?
  /// What killed processes had left of such, which this one removed.
  package let leftovers: SharedMemoryFolder.Leftovers

  /// Initializes the MPI library, unless the program has done so already, and joins the other ranks.
  ///
  /// `expectedSize` is the number of ranks that the launcher speaks of, if it does. A library that does
  /// not understand its launcher makes every process a world of its own: that is refused.
  package init(expectedSize: Int? = nil) throws(MessagePassingError) {
    var isFinalized: Int32 = 0
    var isInitialized: Int32 = 0
    try check(MPI_Finalized(&isFinalized), "MPI_Finalized")
    try check(MPI_Initialized(&isInitialized), "MPI_Initialized")
    if isFinalized != 0 {
      throw MessagePassingError(
        at: "MPI_Init_thread", expected: "a process that has not left its world",
        found: "MPI_Finalize was called before", remedy: "Join the world once, and leave it at the end.")
    }
    let funneled = lockstep_mpi_thread_funneled()
    var provided = funneled
    if isInitialized == 0 {
      Self.adviseTheLibrary()
      (sharedFolder, leftovers) = Self.prepareSharedMemory()
      try check(MPI_Init_thread(nil, nil, funneled, &provided), "MPI_Init_thread")
    } else {
      (sharedFolder, leftovers) = (nil, SharedMemoryFolder.Leftovers())
      try check(MPI_Query_thread(&provided), "MPI_Query_thread")
    }
    finalizesLibrary = isInitialized == 0
    if provided < funneled {
      throw MessagePassingError(
        at: "MPI_Init_thread", expected: "thread support MPI_THREAD_FUNNELED or more",
        found: "level \(provided)", remedy: "Use an MPI library that is built with support for threads.")
    }

    let everyone = lockstep_mpi_comm_world()
    try check(MPI_Comm_set_errhandler(everyone, lockstep_mpi_errors_return()), "MPI_Comm_set_errhandler")
    world = try Self.machineByMachine(everyone)
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(world, &rank), "MPI_Comm_rank")
    try check(MPI_Comm_size(world, &size), "MPI_Comm_size")
    self.rank = Int(rank)
    self.size = Int(size)
    if let expectedSize, expectedSize != Int(size) {
      throw MessagePassingError(
        at: "MPI_Init_thread", expected: "\(expectedSize) ranks, as the launcher started",
        found: "a world of \(size)",
        remedy: "The launcher and the library do not belong together. Start with the mpirun of the library "
          + "that the program is linked with (\(MPILibrary.version)), or with srun --mpi=pmix.")
    }
    (sharingMemory, machine) = try Self.findMachine(of: rank, in: world)
    machines = try Self.findMachines(machine, size: size, in: world)
    counts = .allocate(capacity: Int(size))
    displacements = .allocate(capacity: Int(size))
  }

  deinit {
    counts.deallocate()
    displacements.deallocate()
  }

  /// Leaves the world, as all ranks must, and ends the MPI library if it was begun here.
  package func finalize() throws(MessagePassingError) {
    precondition(started.count == 0, "a world is left while an allreduce is under way")
    precondition(messages.count == 0, "a world is left while messages are under way")
    whereabouts = nil
    notes.abandon()
    try releaseWindows()
    try check(MPI_Comm_free(&sharingMemory), "MPI_Comm_free")
    try check(MPI_Comm_free(&world), "MPI_Comm_free")
    if finalizesLibrary { try check(MPI_Finalize(), "MPI_Finalize") }
    sharedFolder?.remove()
  }

  // MARK: Waiting

  /// How often requests are tested before the core is yielded between tests: a few tens of microseconds,
  /// longer than what a small message takes.
  private static let testsBeforeYielding = 100

  /// Returns when all of `requests` are complete. Tests them, for a short while in a spin, then leaving
  /// the core to others between tests, so that more ranks than cores work too.
  private func wait(on requests: inout RequestBuffer, _ call: StaticString) throws(MessagePassingError) {
    var waiting = Waiting(spins: Self.testsBeforeYielding, sleeps: false, patience: patience)
    while try !requests.testAll(call) {
      if waiting.isLong { lookAround() }
      if !waiting.pause() {
        throw Waiting.impatience(at: "\(call) on rank \(rank)", for: [], on: machine.name, patience: patience)
      }
    }
  }

  // MARK: Collectives

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

  /// Has the library look at what has arrived, whatever is under way.
  func poke() throws(MessagePassingError) {
    lookAround()
    var flag: Int32 = 0
    try check(
      MPI_Iprobe(
        lockstep_mpi_any_source(), lockstep_mpi_any_tag(), world, &flag, lockstep_mpi_status_ignore()),
      "MPI_Iprobe")
  }

  public func progress() throws(MessagePassingError) {
    if started.count > 0 { _ = try started.testAll("MPI_Iallreduce") }
    if messages.count > 0, try messages.testAll("started messages (MPI_Irecv, MPI_Isend)") {
      try checkLengths(messages)
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

  // MARK: Messages

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
  private func checkLengths(_ requests: borrowing RequestBuffer) throws(MessagePassingError) {
    guard let message = requests.firstShortMessage() else { return }
    throw MessagePassingError(
      at: "exchange of messages, from rank \(message.peer) to rank \(rank)",
      expected: "\(message.expected) floats", found: "\(message.received)",
      remedy: "Check that all ranks run the same program on the same configuration.")
  }

  // MARK: The end

  public func abort(_ message: String, exitCode: Int32) -> Never {
    writeLastWords(message, rank: rank, size: size, machine: machine.name)
    MPI_Abort(lockstep_mpi_comm_world(), exitCode)
    _exit(exitCode)
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
