internal import COpenMPI
import Foundation
import Synchronization

/// The places of all ranks, in memory that the ranks of a machine share: each writes its own line, and the lines of
/// ranks on other machines are written from what these have sent.
///
/// The memory is a file without a name, so that nothing is left of it however the processes end. Reading and writing
/// are single loads and stores, from any thread.
package final class PlaceBoard: @unchecked Sendable {
  package let size: Int
  /// The ranks that write into this memory by themselves, and those of the other memories that there are.
  package let groups: [Range<Int>]
  /// The group of this rank.
  package let group: Range<Int>
  /// Why the ranks of a machine do not share it although they were to.
  package let note: String?

  private let memory: UnsafeMutableRawPointer
  private let byteCount: Int

  private static let line = 64

  /// What the ranks of a machine have in common.
  private enum Common: Int {
    /// Set by the first that tells of a rank that stands still.
    case claim
    /// How often what other machines have sent was looked for.
    case polls
  }

  /// All ranks call it.
  package init(over communicator: any Communicator) throws(MessagePassingError) {
    size = communicator.size
    byteCount = Self.line * (size + 1)
    // Ranks on threads see each other's memory wherever they pretend to be.
    let machines = communicator is any NotePassing ? communicator.machines : [0..<size]
    let own = machines.first { $0.contains(communicator.rank) } ?? 0..<size
    let (memory, note) = try Self.share(byteCount, by: own, over: communicator)
    self.note = note
    groups = note == nil ? machines : (0..<size).map { $0..<$0 + 1 }
    group = note == nil ? own : communicator.rank..<communicator.rank + 1
    guard let place = memory ?? Self.map(-1, byteCount) else {
      throw MessagePassingError(
        at: "rank \(communicator.rank)", expected: "\(byteCount) bytes of memory",
        found: String(cString: strerror(errno)), remedy: "Free some memory on this machine.")
    }
    self.memory = place
  }

  deinit { munmap(memory, byteCount) }

  /// The first rank of a machine makes the memory; the others find it among its open files.
  private static func share(
    _ bytes: Int, by ranks: Range<Int>, over communicator: any Communicator
  ) throws(MessagePassingError) -> (UnsafeMutableRawPointer?, note: String?) {
    if communicator.size == 1 { return (map(-1, bytes), nil) }
    let isFirst = communicator.rank == ranks.lowerBound
    var file: Int32 = -1
    if isFirst {
      file = lockstep_memory_file()
      if file >= 0, ftruncate(file, off_t(bytes)) != 0 {
        close(file)
        file = -1
      }
    }
    let path = file < 0 ? "" : "/proc/\(getpid())/fd/\(file)"
    let paths = try communicator.allgather(bytes: Array(path.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    if !isFirst {
      let path = paths[ranks.lowerBound]
      file = path.isEmpty ? -1 : open(path, O_RDWR | O_CLOEXEC)
    }
    let memory = file < 0 ? nil : map(file, bytes)
    let reason = memory == nil ? String(cString: strerror(errno)) : ""
    // A rank that has mapped it need not have it open; the first waits here until all have.
    let reasons = try communicator.allgather(bytes: Array(reason.utf8))
    if file >= 0 { close(file) }
    guard let failed = reasons.firstIndex(where: { !$0.isEmpty }) else { return (memory, nil) }
    if let memory { munmap(memory, bytes) }
    return (nil, "rank \(failed): \(String(decoding: reasons[failed], as: UTF8.self))")
  }

  /// - Parameter file: a descriptor; -1 for memory of one's own.
  private static func map(_ file: Int32, _ bytes: Int) -> UnsafeMutableRawPointer? {
    let flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
    let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, file, 0)
    return memory == MAP_FAILED ? nil : memory
  }

  // MARK: Lines

  /// The numbers of one rank, one for each `Place.Field`.
  package func line(ofRank rank: Int) -> UnsafeMutablePointer<Atomic<Int>> {
    precondition(rank >= 0 && rank < size)
    return (memory + Self.line * (rank + 1)).assumingMemoryBound(to: Atomic<Int>.self)
  }

  package subscript(_ rank: Int) -> Place {
    let line = line(ofRank: rank)
    var place = Place()
    for field in Place.Field.allCases { place[field] = line[field.rawValue].load(ordering: .relaxed) }
    return place
  }

  package func write(_ place: Place, ofRank rank: Int) {
    let line = line(ofRank: rank)
    for field in Place.Field.allCases { line[field.rawValue].store(place[field], ordering: .relaxed) }
  }

  // MARK: What ranks of a machine have in common

  private func common(_ word: Common) -> UnsafeMutablePointer<Atomic<Int>> {
    memory.assumingMemoryBound(to: Atomic<Int>.self) + word.rawValue
  }

  /// Whether the caller is the first of its machine to tell of a rank that stands still.
  package func claim() -> Bool {
    common(.claim).pointee.compareExchange(expected: 0, desired: 1, ordering: .relaxed).exchanged
  }

  package var isClaimed: Bool { common(.claim).pointee.load(ordering: .relaxed) != 0 }

  /// How often what other machines send was looked for here.
  package var polls: Int { common(.polls).pointee.load(ordering: .relaxed) }

  func notePoll() { common(.polls).pointee.wrappingAdd(1, ordering: .relaxed) }
}
