internal import COpenMPI
import Foundation

/// A window of MPI's, and whether anybody on this rank still uses its memory.
final class MPIWindow {
  var window: MPI_Win?
  private(set) weak var user: User?

  /// What a `SharedWindow` holds on to.
  final class User {}

  init(_ window: MPI_Win?, user: User) {
    self.window = window
    self.user = user
  }
}

// Memory that the ranks of a machine share, by MPI-3's shared windows.

extension MPICommunicator {
  public func makeSharedWindow(bytes: Int) throws(MessagePassingError) -> SharedWindowOffer {
    try releaseParts()
    try releaseWindows()
    // Room for moving the beginning to a boundary; parts follow each other without gaps.
    let room = SharedWindow.room(for: bytes) + SharedWindow.header
    // Until every part has been written, and so taken.
    let turn =
      position == 0 && machine.ranks.count > 1
      ? SharedMemoryTurn(in: sharedFolderName, lookAround: lookAround) : nil
    defer { turn?.end() }
    if let reason = try shortage(of: room) { return .refused(reason) }

    var base: UnsafeMutableRawPointer?
    var window: MPI_Win?
    try check(
      MPI_Win_allocate_shared(
        MPI_Aint(room), 1, lockstep_mpi_info_null(), sharingMemory, &base, &window),
      "MPI_Win_allocate_shared")
    try check(MPI_Win_set_errhandler(window, lockstep_mpi_errors_return()), "MPI_Win_set_errhandler")
    // One epoch for as long as it lives: who may read what when is settled by meetings in the memory itself.
    try check(MPI_Win_lock_all(lockstep_mpi_mode_nocheck(), window), "MPI_Win_lock_all")
    let user = MPIWindow.User()
    windows.append(MPIWindow(window, user: user))

    var memory: [UnsafeMutableRawPointer] = []
    for place in machine.ranks.indices {
      var size: MPI_Aint = 0
      var unit: Int32 = 0
      var start: UnsafeMutableRawPointer?
      try check(MPI_Win_shared_query(window, Int32(place), &size, &unit, &start), "MPI_Win_shared_query")
      guard let start, size >= room || place != position else {
        throw MessagePassingError(
          at: "MPI_Win_shared_query", expected: "\(room) bytes of shared memory", found: "\(size)",
          remedy: "Train with --set averaging.strategy=ordered, and check the MPI library.")
      }
      memory.append(start.alignedUp(toMultipleOf: SharedWindow.header))
    }
    // Each rank writes its own part first, so that its pages lie near its core.
    memory[position].initializeMemory(as: UInt8.self, repeating: 0, count: room - SharedWindow.header)
    try barrier()
    return .window(
      SharedWindow(
        memory: memory, position: position, machine: machine, patience: { [unowned self] in patience },
        poll: { [unowned self] _, _ throws(MessagePassingError) in try poke() }, keeper: user))
  }

  /// Frees the windows that no rank of this machine uses any more. All ranks call it.
  func releaseWindows() throws(MessagePassingError) {
    var kept: [MPIWindow] = []
    for window in windows {
      var inUse: Int32 = window.user == nil ? 0 : 1
      try check(
        MPI_Allreduce(
          lockstep_mpi_in_place(), &inUse, 1, lockstep_mpi_int32(), lockstep_mpi_maximum(), sharingMemory),
        "MPI_Allreduce")
      if inUse != 0 {
        kept.append(window)
        continue
      }
      try check(MPI_Win_unlock_all(window.window), "MPI_Win_unlock_all")
      try check(MPI_Win_free(&window.window), "MPI_Win_free")
    }
    windows = kept
  }

  private var position: Int { machine.ranks.firstIndex(of: rank) ?? 0 }

  /// Why so many bytes of each rank cannot be shared, the same on all ranks; nil if they can. The library itself
  /// would end the job, or have it end on its first access to a page that does not exist.
  private func shortage(of room: Int) throws(MessagePassingError) -> String? {
    var total = Int64(room)
    try check(
      MPI_Allreduce(
        lockstep_mpi_in_place(), &total, 1, lockstep_mpi_int64(), lockstep_mpi_sum(), sharingMemory),
      "MPI_Allreduce")
    // The library's own needs, and what other jobs may take at the same time.
    let needed = total + total / 16 + 1 << 20
    var reason = ""
    if position == 0, machine.ranks.count > 1 {
      let folder = Self.sharedMemoryFolder
      let free = Self.freeBytes(in: folder)
      if free < needed {
        reason =
          "\(machine.name) needs \(needed >> 20) MiB of shared memory in \(sharedFolderName), where \(free >> 20) MiB are free"
      }
    }
    return try allgather(bytes: Array(reason.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .first { !$0.isEmpty }
  }

  /// Where Open MPI puts the memory behind its windows.
  private static var sharedMemoryFolder: String {
    ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
  }

  /// The same as a user knows it.
  private var sharedFolderName: String {
    let folder = Self.sharedMemoryFolder
    return folder.hasPrefix(MPISession.sharedMemoryRoot + "/") ? MPISession.sharedMemoryRoot : folder
  }

  private static func freeBytes(in folder: String) -> Int64 {
    var figures = statvfs()
    guard statvfs(folder, &figures) == 0 else { return 0 }
    return Int64(figures.f_bavail) * Int64(figures.f_frsize)
  }
}
