internal import COpenMPI

/// The ranks of an MPI communicator, as one of them learns of them: who they are, and which share memory.
struct MPIRanks {
  let world: MPI_Comm?
  let rank: Int
  let size: Int
  /// Those of this machine.
  let sharingMemory: MPI_Comm?
  let machine: Machine
  let machines: [Range<Int>]

  /// All ranks of `world` call it; those of one machine have neighbouring numbers there.
  init(of world: MPI_Comm?) throws(MessagePassingError) {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(world, &rank), "MPI_Comm_rank")
    try check(MPI_Comm_size(world, &size), "MPI_Comm_size")
    self.world = world
    self.rank = Int(rank)
    self.size = Int(size)
    (sharingMemory, machine) = try Self.findMachine(of: rank, in: world)
    machines = try Self.findMachines(machine, size: size, in: world)
  }

  /// The same ranks, those of one machine with neighbouring numbers; rank 0 stays rank 0.
  static func machineByMachine(_ everyone: MPI_Comm?) throws(MessagePassingError) -> MPI_Comm? {
    var rank: Int32 = 0
    try check(MPI_Comm_rank(everyone, &rank), "MPI_Comm_rank")
    var local: MPI_Comm?
    try check(
      MPI_Comm_split_type(everyone, lockstep_mpi_comm_type_shared(), rank, lockstep_mpi_info_null(), &local),
      "MPI_Comm_split_type")
    var first = rank
    try check(
      MPI_Bcast(&first, 1, lockstep_mpi_int32(), 0, local), "MPI_Bcast")
    try check(MPI_Comm_free(&local), "MPI_Comm_free")
    // Ranks with the same key keep their order. The new communicator inherits the error handler.
    var world: MPI_Comm?
    try check(MPI_Comm_split(everyone, 0, first, &world), "MPI_Comm_split")
    return world
  }

  /// The ranks of all machines.
  private static func findMachines(
    _ machine: Machine, size: Int32, in world: MPI_Comm?
  ) throws(MessagePassingError) -> [Range<Int>] {
    var mine = Int32(machine.ranks[0])
    var firsts = [Int32](repeating: 0, count: Int(size))
    try check(
      MPI_Allgather(&mine, 1, lockstep_mpi_int32(), &firsts, 1, lockstep_mpi_int32(), world), "MPI_Allgather")
    let starts = Set(firsts.map(Int.init)).sorted()
    let machines = zip(starts, starts.dropFirst() + [Int(size)]).map { $0..<$1 }
    precondition(machines.contains { Array($0) == machine.ranks }, "ranks are numbered machine by machine")
    return machines
  }

  /// The ranks that share this rank's memory, by asking the library (the environment says something else
  /// under every launcher).
  private static func findMachine(
    of rank: Int32, in world: MPI_Comm?
  ) throws(MessagePassingError) -> (MPI_Comm?, Machine) {
    var local: MPI_Comm?
    try check(
      MPI_Comm_split_type(world, lockstep_mpi_comm_type_shared(), rank, lockstep_mpi_info_null(), &local),
      "MPI_Comm_split_type")
    var localSize: Int32 = 0
    try check(MPI_Comm_size(local, &localSize), "MPI_Comm_size")
    var mine = rank
    var ranks = [Int32](repeating: 0, count: Int(localSize))
    try check(
      MPI_Allgather(&mine, 1, lockstep_mpi_int32(), &ranks, 1, lockstep_mpi_int32(), local), "MPI_Allgather")
    return (local, Machine(name: hostName(), ranks: ranks.map(Int.init).sorted()))
  }
}
