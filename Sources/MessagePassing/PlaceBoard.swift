import Synchronization

/// The places of all ranks, in memory that the ranks of a machine share: each writes its own line, and the lines of
/// ranks on other machines are written from what these have sent.
///
/// Reading and writing are single loads and stores, from any thread.
package final class PlaceBoard: @unchecked Sendable {
  package let size: Int
  /// The ranks that write into this memory by themselves, and those of the other memories that there are.
  package let groups: [Range<Int>]
  /// The group of this rank.
  package let group: Range<Int>
  /// Why the ranks of a machine do not share it although they were to.
  package let note: String?

  private let memory: UnsafeMutableRawPointer
  /// What keeps it; nil where nobody else has it.
  private let file: MemoryFile?

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
    // Ranks on threads see each other's memory wherever they pretend to be.
    let machines = communicator is any NotePassing ? communicator.machines : [0..<size]
    let own = machines.first { $0.contains(communicator.rank) } ?? 0..<size
    let bytes = Self.line * (size + 1)
    let (file, note) = try MemoryFile.give(to: own, over: communicator) {
      [size] () throws(MessagePassingError) in
      size > 1 ? try MemoryFile(byteCount: bytes) : nil
    }
    self.note = note
    groups = note == nil ? machines : (0..<size).map { $0..<$0 + 1 }
    group = note == nil ? own : communicator.rank..<communicator.rank + 1
    self.file = file
    memory = file?.memory ?? Self.allocate(bytes)
  }

  deinit { if file == nil { memory.deallocate() } }

  /// Zeros of this process's own.
  private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: line)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return memory
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
