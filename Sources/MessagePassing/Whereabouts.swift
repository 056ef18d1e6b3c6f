import Foundation
import Synchronization

/// How a rank's main thread says where it is: stores into its line of the board, and now and then a note to other
/// machines. Every call costs a few stores, so that it can be made at each instruction.
package final class Whereabouts {
  private let line: UnsafeMutablePointer<Atomic<Int>>
  private let keeper: AnyObject
  private let herald: Herald?
  private var moves = 0
  private var looks = 0

  /// Where the instruction under way is written: by whoever runs a plan, with one store each.
  package var instruction: UnsafeMutablePointer<Atomic<Int>> { line + Place.Field.instruction.rawValue }

  /// - Parameters:
  ///   - board: where the others read.
  ///   - interval: seconds between two notes to other machines.
  package init(_ board: PlaceBoard, of communicator: any Communicator, interval: Double) {
    line = board.line(ofRank: communicator.rank)
    keeper = board
    herald = Herald(board, of: communicator, interval: interval)
  }

  /// For a rank that nobody watches.
  package init() {
    let line = Line()
    (self.line, keeper, herald) = (line.memory, line, nil)
  }

  private final class Line {
    let memory: UnsafeMutablePointer<Atomic<Int>>

    init() {
      let raw = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
      raw.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
      memory = raw.assumingMemoryBound(to: Atomic<Int>.self)
    }

    deinit { UnsafeMutableRawPointer(memory).deallocate() }
  }

  @inline(__always)
  private func store(_ value: Int, _ field: Place.Field) {
    line[field.rawValue].store(value, ordering: .relaxed)
  }

  private func move() {
    moves += 1
    store(moves, .moves)
  }

  /// - Parameter step: counted from 1.
  package func begin(step: Int) {
    store(step, .step)
    move()
  }

  /// - Parameter now: nanoseconds of the monotonic clock.
  package func enter(phase: Int, at now: UInt64) {
    store(phase, .phase)
    move()
    herald?.send(at: now)
  }

  /// A pass over so many samples begins; its instructions write themselves down.
  package func beginPass(samples: Int) {
    store(samples, .samples)
    store(0, .instruction)
    move()
  }

  package func endPass() {
    store(-1, .instruction)
    move()
  }

  /// Something went on within a long phase.
  package func tick() {
    move()
    herald?.send(at: Herald.now)
  }

  /// The rank has looked for others in vain.
  package func lookAround() {
    looks += 1
    store(looks, .looks)
    herald?.send(at: Herald.now)
  }

  /// The rank does not take part any more.
  package func leave() {
    store(Place.absent, .phase)
    move()
    herald?.leave()
  }
}
