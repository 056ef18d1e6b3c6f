internal import COpenMPI
import Foundation

/// The MPI library between its begin and its end, which happen once in a process.
struct MPISession {
  /// Where it keeps what the ranks of this machine share.
  private let sharedFolder: SharedMemoryFolder?
  /// What killed processes had left of such, which this one removed.
  let leftovers: SharedMemoryFolder.Leftovers

  /// Begins it; nil where the program has done so already, and will end it.
  static func begin() throws(MessagePassingError) -> MPISession? {
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
    var session: MPISession?
    if isInitialized == 0 {
      adviseTheLibrary()
      session = MPISession()
      try check(MPI_Init_thread(nil, nil, funneled, &provided), "MPI_Init_thread")
    } else {
      try check(MPI_Query_thread(&provided), "MPI_Query_thread")
    }
    if provided < funneled {
      throw MessagePassingError(
        at: "MPI_Init_thread", expected: "thread support MPI_THREAD_FUNNELED or more",
        found: "level \(provided)", remedy: "Use an MPI library that is built with support for threads.")
    }
    return session
  }

  func end() throws(MessagePassingError) {
    try check(MPI_Finalize(), "MPI_Finalize")
    sharedFolder?.remove()
  }

  /// Settings of Open MPI that it begins with, unless the user has set them otherwise.
  private static func adviseTheLibrary() {
    // To yield the core inside its blocking calls too. Its own default is to spin for ever. Where two ranks come to
    // share a core, if only because another program has the other one, an allreduce of 400 KB then took 16 ms
    // instead of 0.06; on cores of their own yielding costs nothing that could be measured.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0)
    // Two connections between two ranks over TCP. With one, the word that a long message may come waits behind what
    // goes out the same way already, and both directions take turns: 3.6 MiB each way took 60 ms at 1 Gbit/s, with
    // two connections 34.
    setenv("OMPI_MCA_btl_tcp_links", "2", 0)
  }

  /// Has the library keep its files in shared memory in a folder of this process's own, so that they are found when the
  /// process was killed; and removes what others have left.
  private init() {
    leftovers = SharedMemoryFolder.removeLeftovers(in: Self.sharedMemoryRoot)
    sharedFolder = SharedMemoryFolder(in: Self.sharedMemoryRoot)
    guard let sharedFolder else { return }
    setenv("OMPI_MCA_btl_vader_backing_directory", sharedFolder.path, 0)
    setenv("OMPI_MCA_osc_sm_backing_directory", sharedFolder.path, 0)
  }

  /// Where Open MPI keeps what the ranks of a machine share, unless the user has said so.
  static let sharedMemoryRoot = "/dev/shm"
}
