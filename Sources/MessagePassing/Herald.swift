import Foundation

/// Something that can send small notes which the receiver reads whenever it looks. Only MPI needs it: ranks on threads
/// see each other's memory.
package protocol NotePassing: AnyObject {
  /// Sends a note, unless the one before it to the same rank is still on its way. No collective call.
  func sendNote(_ note: UnsafeRawBufferPointer, to rank: Int)
  /// Takes a note that has come into `memory`; nil where there is none.
  func takeNote(into memory: UnsafeMutableRawBufferPointer) -> (sender: Int, count: Int)?
}

/// Tells other machines, every few seconds, where the ranks of this one are: a note from the first rank of each machine
/// to the first of every other. Called by the main thread in the course of its work, and while it waits.
final class Herald {
  private unowned let passing: any NotePassing
  private let board: PlaceBoard
  private let peers: [Range<Int>]
  private let interval: UInt64
  private var sentAt: UInt64 = 0
  private let own: UnsafeMutableBufferPointer<Int>
  private let received: UnsafeMutableBufferPointer<Int>

  private static let length = Place.Field.allCases.count

  /// nil for a rank that has nobody to tell, or leaves it to another of its machine.
  init?(_ board: PlaceBoard, of communicator: any Communicator, interval: Double) {
    guard board.groups.count > 1, communicator.rank == board.group.lowerBound,
      let passing = communicator as? any NotePassing
    else { return nil }
    self.passing = passing
    self.board = board
    peers = board.groups.filter { $0 != board.group }
    self.interval = UInt64(interval * 1e9)
    own = .allocate(capacity: board.group.count * Self.length)
    received = .allocate(capacity: (peers.map(\.count).max() ?? 0) * Self.length)
    own.initialize(repeating: 0)
    received.initialize(repeating: 0)
  }

  deinit {
    own.deallocate()
    received.deallocate()
  }

  /// - Parameter now: nanoseconds of the monotonic clock.
  func send(at now: UInt64) {
    guard now &- sentAt >= interval else { return }
    sentAt = now
    push()
    take()
  }

  /// Says that this machine's ranks are leaving, as far as they are.
  func leave() {
    push()
    take()
  }

  private func push() {
    for (index, rank) in board.group.enumerated() {
      let place = board[rank]
      for field in Place.Field.allCases { own[index * Self.length + field.rawValue] = place[field] }
    }
    for peer in peers { passing.sendNote(UnsafeRawBufferPointer(own), to: peer.lowerBound) }
  }

  private func take() {
    board.notePoll()
    while let note = passing.takeNote(into: UnsafeMutableRawBufferPointer(received)) {
      guard let group = peers.first(where: { $0.lowerBound == note.sender }),
        note.count == group.count * Self.length * MemoryLayout<Int>.stride
      else { continue }
      for (index, rank) in group.enumerated() {
        var place = Place()
        for field in Place.Field.allCases { place[field] = received[index * Self.length + field.rawValue] }
        board.write(place, ofRank: rank)
      }
    }
  }

  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
