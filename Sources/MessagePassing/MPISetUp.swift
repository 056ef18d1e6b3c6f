internal import COpenMPI
import Foundation

// What `MPICommunicator` does around the begin of the library.

extension MPICommunicator {
  /// Settings of Open MPI that it begins with, unless the user has set them otherwise.
  static func adviseTheLibrary() {
    // To yield the core inside its blocking calls too. Its own default is to spin for ever. Where two ranks come to
    // share a core, if only because another program has the other one, an allreduce of 400 KB then took 16 ms
    // instead of 0.06; on cores of their own yielding costs nothing that could be measured.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0)
    // Two connections between two ranks over TCP. With one, the word that a long message may come waits behind what
    // goes out the same way already, and both directions take turns: 3.6 MiB each way took 60 ms at 1 Gbit/s, with
    // two connections 34.
    setenv("OMPI_MCA_btl_tcp_links", "2", 0)
  }

  /// Where Open MPI keeps what the ranks of a machine share, unless the user has said so.
  static let sharedMemoryRoot = "/dev/shm"

  /// Has the library keep its files in shared memory in a folder of this process's own, so that they are found when the
  /// process was killed; and removes what others have left.
  static func prepareSharedMemory() -> (SharedMemoryFolder?, SharedMemoryFolder.Leftovers) {
    let leftovers = SharedMemoryFolder.removeLeftovers(in: sharedMemoryRoot)
    guard let folder = SharedMemoryFolder(in: sharedMemoryRoot) else { return (nil, leftovers) }
    setenv("OMPI_MCA_btl_vader_backing_directory", folder.path, 0)
    setenv("OMPI_MCA_osc_sm_backing_directory", folder.path, 0)
    return (folder, leftovers)
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
  static func findMachines(
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
  static func findMachine(
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
