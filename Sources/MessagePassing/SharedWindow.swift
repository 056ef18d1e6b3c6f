import Foundation
import Synchronization

/// Memory that all ranks of one machine see: a part for each of them, and a place where they wait for each other.
///
/// Who writes where, and when others may read it, is agreed on by `meet()`: what a rank wrote before it is seen by all
/// that come out of it.
public final class SharedWindow {
  /// The first byte of each rank's part, in the order of `Machine.ranks`; on a cache line's boundary.
  package let parts: [UnsafeMutableRawPointer]
  /// The place of this rank's part among them.
  package let position: Int

  /// How often each rank has arrived, a cache line before its part.
  private let arrivals: [UnsafeMutablePointer<Atomic<UInt64>>]
  private let machine: Machine
  private let patience: () -> Double
  private let poll: Poll
  private let keeper: AnyObject
  private let spins: Int
  private var round: UInt64 = 0

  /// What is done now and then while waiting for a rank: throws if that one will never come. It may come at any
  /// moment, which the second argument tells.
  typealias Poll = (_ rank: Int, _ isMissing: () -> Bool) throws(MessagePassingError) -> Void

  /// Bytes before a rank's part that it needs for `meet()`, and what places are multiples of.
  static let header = 64

  /// Room that a part of so many bytes takes, its header included.
  static func room(for bytes: Int) -> Int { header + (bytes + header - 1) / header * header }

  /// - Parameters:
  ///   - memory: for each rank of the machine where its room begins: zeros at first.
  ///   - keeper: keeps the memory until this goes.
  init(
    memory: [UnsafeMutableRawPointer], position: Int, machine: Machine, patience: @escaping () -> Double,
    poll: @escaping Poll, keeper: AnyObject
  ) {
    precondition(memory.count == machine.ranks.count)
    parts = memory.map { $0 + Self.header }
    arrivals = memory.map { $0.bindMemory(to: Atomic<UInt64>.self, capacity: 1) }
    self.position = position
    self.machine = machine
    self.patience = patience
    self.poll = poll
    self.keeper = keeper
    // More ranks than cores: whoever spins keeps another from arriving.
    spins = memory.count > Self.processors ? 0 : 500
  }

  /// Returns when all ranks of the machine have called it.
  package func meet() throws(MessagePassingError) {
    guard arrivals.count > 1 else { return }
    round += 1
    arrivals[position].pointee.store(round, ordering: .releasing)
    var waiting = Waiting(spins: spins, sleeps: true, patience: patience())
    for other in arrivals.indices where other != position {
      let isMissing = { [arrivals, round] in arrivals[other].pointee.load(ordering: .acquiring) < round }
      while isMissing() {
        if waiting.isLong { try poll(machine.ranks[other], isMissing) }
        if !waiting.pause() { throw impatience() }
      }
    }
  }

  /// The processors of this machine that are in use.
  private static let processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))

  private func impatience() -> MessagePassingError {
    let missing = arrivals.indices.filter { arrivals[$0].pointee.load(ordering: .relaxed) < round }
    return Waiting.impatience(
      at: "rank \(machine.ranks[position]), waiting on its machine", for: missing.map { machine.ranks[$0] },
      on: machine.name, patience: patience())
  }
}

/// What asking for a shared window leads to, on all ranks alike.
public enum SharedWindowOffer {
  case window(SharedWindow)
  /// Not enough shared memory somewhere, or none at all: the reason, for a note.
  case refused(String)
}
