internal import COpenMPI
import Foundation

/// The ranks as processes over Open MPI.
///
/// It works on a communicator of its own, so that its messages cannot meet those of other code, nor those of a part of
/// its ranks (`split(color:)`) theirs. Ranks are numbered machine by machine in it, whatever the launcher's mapping, so
/// that neighbouring shards are computed on one machine.
/// Errors of the library come back as `MessagePassingError`. Almost all waiting for other ranks happens
/// in `wait(on:_:)`; only `allreduce` of more than a few kilobytes ends in a blocking call, see there.
/// Only the thread that made it may use it.
public final class MPICommunicator: Communicator {
  public let rank: Int
  public let size: Int
  public var rankInJob: Int { placeInJob.rank }
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
  var started = RequestBuffer()
  /// Messages that `startExchange` has begun.
  var messages = RequestBuffer()
  /// Notes to other machines.
  var notes = NoteBuffer()
  /// Where this rank says that it waits; nil while nobody watches.
  package var whereabouts: Whereabouts?
  /// Requests of the call that is being made.
  var current = RequestBuffer()
  /// The slices of an allgather as MPI wants them, [size] each.
  let counts: UnsafeMutablePointer<Int32>
  let displacements: UnsafeMutablePointer<Int32>
  /// The library, if this is the world with which it began, and ends.
  private let library: MPISession?
  /// What killed processes had left in shared memory, which this one removed.
  package var leftovers: SharedMemoryFolder.Leftovers { library?.leftovers ?? .init() }

  /// Those of whom these are a part; nil for the world of all.
  private(set) weak var whole: MPICommunicator?
  /// The parts that `split(color:)` has made and that have not been left.
  package private(set) var parts: [MPICommunicator] = []
  /// This rank and the number of ranks in the world of all, by which a user knows them.
  let placeInJob: (rank: Int, size: Int)

  /// Initializes the MPI library, unless the program has done so already, and joins the other ranks.
  ///
  /// `expectedSize` is the number of ranks that the launcher speaks of, if it does. A library that does
  /// not understand its launcher makes every process a world of its own: that is refused.
  package convenience init(expectedSize: Int? = nil) throws(MessagePassingError) {
    let library = try MPISession.begin()
    let everyone = lockstep_mpi_comm_world()
    try check(MPI_Comm_set_errhandler(everyone, lockstep_mpi_errors_return()), "MPI_Comm_set_errhandler")
    let ranks = try MPIRanks(of: try MPIRanks.machineByMachine(everyone))
    if let expectedSize, expectedSize != ranks.size {
      throw MessagePassingError(
        at: "MPI_Init_thread", expected: "\(expectedSize) ranks, as the launcher started",
        found: "a world of \(ranks.size)",
        remedy: "The launcher and the library do not belong together. Start with the mpirun of the library "
          + "that the program is linked with (\(MPILibrary.version)), or with srun --mpi=pmix.")
    }
    self.init(ranks, library: library, whole: nil)
  }

  private init(_ ranks: MPIRanks, library: MPISession?, whole: MPICommunicator?) {
    (rank, size) = (ranks.rank, ranks.size)
    machines = ranks.machines
    machine = Machine(
      name: ranks.machine.name, ranks: ranks.machine.ranks, ranksOfJob: whole?.machine.ranksOfJob)
    (world, sharingMemory) = (ranks.world, ranks.sharingMemory)
    self.library = library
    self.whole = whole
    placeInJob = whole?.placeInJob ?? (ranks.rank, ranks.size)
    counts = .allocate(capacity: ranks.size)
    displacements = .allocate(capacity: ranks.size)
  }

  deinit {
    counts.deallocate()
    displacements.deallocate()
  }

  public func split(color: Int) throws(MessagePassingError) -> any Communicator {
    checkColor(color)
    try releaseParts()
    // The library's call blocks; until all have come, waiting is to end when it must.
    try barrier()
    var world: MPI_Comm?
    try check(MPI_Comm_split(self.world, Int32(color), Int32(rank), &world), "MPI_Comm_split")
    let part = MPICommunicator(try MPIRanks(of: world), library: nil, whole: self)
    part.patience = patience
    part.largestCount = largestCount
    parts.append(part)
    return part
  }

  /// Leaves the parts that none of their ranks use any more, with the memory that they share. All ranks call it.
  func releaseParts() throws(MessagePassingError) {
    for index in parts.indices.reversed() {
      let isUnused = isKnownUniquelyReferenced(&parts[index]) && parts[index].isQuiet
      var inUse: Int32 = isUnused ? 0 : 1
      try check(
        MPI_Allreduce(
          lockstep_mpi_in_place(), &inUse, 1, lockstep_mpi_int32(), lockstep_mpi_maximum(), parts[index].world
        ),
        "MPI_Allreduce")
      // It takes itself out of the parts.
      if inUse == 0 { try parts[index].finalize() }
    }
  }

  /// Whether nothing of these ranks is under way or in use here.
  private var isQuiet: Bool {
    started.count == 0 && messages.count == 0 && windows.allSatisfy { $0.user == nil }
      && parts.allSatisfy { $0.isQuiet }
  }

  /// Leaves these ranks, as all of them must, and every part of them; and ends the MPI library if it began with them.
  package func finalize() throws(MessagePassingError) {
    if world == nil { return }
    precondition(started.count == 0, "a world is left while an allreduce is under way")
    precondition(messages.count == 0, "a world is left while messages are under way")
    for part in parts { try part.finalize() }
    whereabouts = nil
    notes.abandon()
    try releaseWindows()
    try check(MPI_Comm_free(&sharingMemory), "MPI_Comm_free")
    try check(MPI_Comm_free(&world), "MPI_Comm_free")
    world = nil
    whole?.parts.removeAll { $0 === self }
    try library?.end()
  }

  public func abort(_ message: String, exitCode: Int32) -> Never {
    writeLastWords(message, rank: placeInJob.rank, size: placeInJob.size, machine: machine.name)
    MPI_Abort(lockstep_mpi_comm_world(), exitCode)
    _exit(exitCode)
  }

  // MARK: Waiting

  /// How often requests are tested before the core is yielded between tests: a few tens of microseconds,
  /// longer than what a small message takes.
  private static let testsBeforeYielding = 100

  /// Returns when all of `requests` are complete. Tests them, for a short while in a spin, then leaving
  /// the core to others between tests, so that more ranks than cores work too.
  func wait(on requests: inout RequestBuffer, _ call: StaticString) throws(MessagePassingError) {
    var waiting = Waiting(spins: Self.testsBeforeYielding, sleeps: false, patience: patience)
    while try !requests.testAll(call) {
      if waiting.isLong { lookAround() }
      if !waiting.pause() {
        throw Waiting.impatience(
          at: "\(call) on rank \(rankInJob)", for: [], on: machine.name, patience: patience)
      }
    }
  }

  /// What is done now and then while this rank waits for others.
  func lookAround() {
    whereabouts?.lookAround()
    whole?.lookAround()
    guard let code = Alarm.exitCode else { return }
    MPI_Abort(lockstep_mpi_comm_world(), code)
    _exit(code)
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
}
