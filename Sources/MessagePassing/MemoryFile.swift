internal import COpenMPI
import Foundation

/// Memory of zeros that other processes of the machine can have too, as long as somebody has it.
///
/// It is a file without a name, so that nothing is left of it however processes end, and its room is not that of
/// `/dev/shm`. A process that is told its `address` finds it among the open files of one that has it.
package final class MemoryFile: @unchecked Sendable {
  package let memory: UnsafeMutableRawPointer
  package let byteCount: Int
  private let descriptor: Int32
  private let number: Int

  /// Where a process has a memory file: good for as long as that one keeps it.
  package struct Address: BitwiseCopyable, Equatable, Sendable {
    package var process: Int
    package var descriptor: Int
    /// Of all files in memory that this system has had: in a container of its own another process may have that number.
    package var file: Int
    package var byteCount: Int

    package init(process: Int, descriptor: Int, file: Int, byteCount: Int) {
      (self.process, self.descriptor, self.file, self.byteCount) = (process, descriptor, file, byteCount)
    }
  }

  package var address: Address {
    Address(process: Int(getpid()), descriptor: Int(descriptor), file: number, byteCount: byteCount)
  }

  /// Makes one. Throws where there is no memory, or the system makes none for several processes.
  package convenience init(byteCount: Int) throws(MessagePassingError) {
    let descriptor = lockstep_memory_file()
    guard descriptor >= 0 else { throw Self.failure(errno) }
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
      let number = errno
      close(descriptor)
      throw Self.failure(number)
    }
    try self.init(descriptor, byteCount: byteCount)
  }

  /// Takes one that a process of this machine has. Throws where that has it no more, or cannot be looked into.
  package convenience init(at address: Address) throws(MessagePassingError) {
    let descriptor = open("/proc/\(address.process)/fd/\(address.descriptor)", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, Int(status.st_ino) == address.file,
      Int(status.st_size) == address.byteCount
    else {
      close(descriptor)
      throw Self.failure(ESTALE)
    }
    try self.init(descriptor, byteCount: address.byteCount)
  }

  /// Takes over `descriptor`.
  private init(_ descriptor: Int32, byteCount: Int) throws(MessagePassingError) {
    var status = stat()
    let memory = mmap(nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard fstat(descriptor, &status) == 0, let memory, memory != MAP_FAILED else {
      let number = errno
      close(descriptor)
      throw Self.failure(number)
    }
    (self.memory, self.byteCount, self.descriptor) = (memory, byteCount, descriptor)
    number = Int(status.st_ino)
  }

  deinit {
    munmap(memory, max(byteCount, 1))
    close(descriptor)
  }

  private static func failure(_ number: Int32) -> MessagePassingError {
    MessagePassingError(
      at: "memory for several processes", expected: "to have it", found: String(cString: strerror(number)),
      remedy:
        "See that processes of one user may look into each other's /proc/PID/fd, and that memory is free.")
  }

  // MARK: - Among ranks

  /// Gives what the first of some ranks of one machine has made to the others of them. All ranks of `communicator` call
  /// it.
  ///
  /// - Parameters:
  ///   - ranks: those that are to have it; groups of them don't overlap.
  ///   - make: makes it, on the first of them; nil where there is nothing to give.
  /// - Returns: what this rank has now; nil, and the first reason of all ranks, if some rank could not have it.
  package static func give(
    to ranks: Range<Int>, over communicator: any Communicator,
    _ make: () throws(MessagePassingError) -> MemoryFile?
  ) throws(MessagePassingError) -> (file: MemoryFile?, note: String?) {
    let isFirst = communicator.rank == ranks.lowerBound
    var (file, reason): (MemoryFile?, String) = (nil, "")
    if isFirst {
      do throws(MessagePassingError) { file = try make() } catch { reason = error.diagnosis.found }
    }
    let address = file.map { file in withUnsafeBytes(of: file.address) { Array($0) } } ?? []
    let given = try communicator.allgather(bytes: address)[ranks.lowerBound]
    if !isFirst, given.count == MemoryLayout<Address>.size {
      do throws(MessagePassingError) {
        file = try MemoryFile(at: given.withUnsafeBytes { $0.loadUnaligned(as: Address.self) })
      } catch {
        reason = error.diagnosis.found
      }
    }
    // The first keeps it here until all have it.
    let reasons = try communicator.allgather(bytes: Array(reason.utf8))
    guard let failed = reasons.firstIndex(where: { !$0.isEmpty }) else { return (file, nil) }
    return (nil, "rank \(failed): \(String(decoding: reasons[failed], as: UTF8.self))")
  }
}
