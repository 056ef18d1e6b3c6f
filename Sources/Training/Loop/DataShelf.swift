import Checkpoints
import Foundation
import MessagePassing
import Synchronization

/// Data of which several parts of a world have need, each at its own time: a data set lies in memory once on a machine, for
/// as long as any part uses it.
///
/// Ranks of a machine share a board with a line for each. It says what the rank has, where others find that, or that it is
/// about to read it, and whoever wants the same waits. A rank keeps what it took last until it takes something else.
package final class DataShelf {
  private let board: MemoryFile
  private let lines: Int
  /// The line of this rank.
  private let own: Int
  private var last: (key: Digest128, file: MemoryFile)?

  private enum State: Int { case none, isReading, hasRead }

  private struct Line: BitwiseCopyable {
    var state: Int
    var high: UInt64
    var low: UInt64
    var address: MemoryFile.Address

    static let none = Line(
      state: State.none.rawValue, high: 0, low: 0,
      address: MemoryFile.Address(process: 0, descriptor: 0, file: 0, byteCount: 0))

    init(state: Int, high: UInt64, low: UInt64, address: MemoryFile.Address) {
      (self.state, self.high, self.low, self.address) = (state, high, low, address)
    }

    init(_ state: State, _ key: Digest128, at address: MemoryFile.Address = Self.none.address) {
      self.init(state: state.rawValue, high: key.high, low: key.low, address: address)
    }
  }

  /// Bytes of a line; the first is the lock's.
  private static let line = 64

  /// A shelf on every machine of a world, whose ranks all call it; nil where some ranks cannot have common memory.
  package static func make(over communicator: any Communicator) throws -> DataShelf? {
    let ranks = communicator.ranksOfMachine
    let (board, note) = try MemoryFile.give(to: ranks, over: communicator) { () throws(MessagePassingError) in
      try MemoryFile(byteCount: line * (ranks.count + 1))
    }
    guard let board, note == nil else { return nil }
    return DataShelf(board, own: communicator.rank - ranks.lowerBound, of: ranks.count)
  }

  private init(_ board: MemoryFile, own: Int, of lines: Int) {
    (self.board, self.own, self.lines) = (board, own, lines)
  }

  deinit { clear() }

  /// What `key` stands for: from whoever has it, else made by this rank while those who want it too wait.
  func take(_ key: Digest128, make: () throws -> MemoryFile) throws -> MemoryFile {
    if let last, last.key == key { return last.file }
    clear()
    var pause: UInt32 = 1_000
    while true {
      switch look(for: key) {
      case .found(let file):
        last = (key, file)
        return file
      case .isBeingRead:
        usleep(pause)
        pause = min(2 * pause, 50_000)
      case .missing:
        do {
          let file = try make()
          locked { write(Line(.hasRead, key, at: file.address), to: own) }
          last = (key, file)
          return file
        } catch {
          locked { write(.none, to: own) }
          throw error
        }
      }
    }
  }

  /// Lets go of what was taken last.
  package func clear() {
    guard last != nil else { return }
    // Nobody finds the file any more once the line is empty, so it may be closed.
    locked { write(.none, to: own) }
    last = nil
  }

  private enum Finding {
    case found(MemoryFile)
    case isBeingRead
    /// Nobody has it, and this rank has said that it reads it.
    case missing
  }

  private func look(for key: Digest128) -> Finding {
    locked {
      let same = (0..<lines).map(read).filter { $0.high == key.high && $0.low == key.low }
      for line in same where line.state == State.hasRead.rawValue {
        // Under the lock whoever has it keeps it.
        guard let file = try? MemoryFile(at: line.address) else { continue }
        write(Line(.hasRead, key, at: file.address), to: own)
        return .found(file)
      }
      if same.contains(where: { $0.state == State.isReading.rawValue }) { return .isBeingRead }
      write(Line(.isReading, key), to: own)
      return .missing
    }
  }

  // MARK: - The board

  private func read(_ line: Int) -> Line {
    (board.memory + Self.line * (line + 1)).load(as: Line.self)
  }

  private func write(_ line: Line, to place: Int) {
    (board.memory + Self.line * (place + 1)).storeBytes(of: line, as: Line.self)
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    let lock = board.memory.assumingMemoryBound(to: Atomic<Int>.self)
    while !lock.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged {
      usleep(50)
    }
    defer { lock.pointee.store(0, ordering: .releasing) }
    return body()
  }
}
