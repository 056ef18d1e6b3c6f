internal import COpenMPI
import Foundation

// What `MPICommunicator` does around the begin of the library.

extension MPICommunicator {
  /// Has Open MPI yield the core inside its blocking calls too, unless the user has set this otherwise.
  ///
  /// Its own default is to spin for ever. Where two ranks come to share a core, if only because another
  /// program has the other one, an allreduce of 400 KB then took 16 ms instead of 0.06; on cores of
  /// their own yielding costs nothing that could be measured.
  static func letTheLibraryYield() { setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0) }

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
