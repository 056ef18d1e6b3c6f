import Foundation
import MessagePassing

/// What messages between two ranks take.
package struct LinkFigures: Sendable, Equatable, Codable {
  /// The two, the lower one first.
  package var first: Int
  package var second: Int
  /// Of a message of four bytes, one way.
  package var latencySeconds: Double
  /// Of a long message, one way.
  package var bytesPerSecond: Double

  package init(first: Int, second: Int, latencySeconds: Double, bytesPerSecond: Double) {
    self.first = first
    self.second = second
    self.latencySeconds = latencySeconds
    self.bytesPerSecond = bytesPerSecond
  }
}

/// What a sum over all ranks takes.
package struct SumFigures: Sendable, Equatable, Codable {
  package var bytes: Double
  package var seconds: Double
  /// Of a sum of one number.
  package var latencySeconds: Double

  package init(bytes: Double, seconds: Double, latencySeconds: Double) {
    self.bytes = bytes
    self.seconds = seconds
    self.latencySeconds = latencySeconds
  }
}

/// Measures with real messages, each figure in about a tenth of a second, whatever the network.
struct LinkProbe {
  private let communicator: any Communicator
  private let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.mostFloats)

  /// 4 MiB, at most.
  private static let mostFloats = 1 << 20
  private static let fewFloats = 1 << 14
  private static let seconds = 0.08

  init(_ communicator: any Communicator) {
    self.communicator = communicator
    memory.initialize(repeating: 0)
  }

  func free() { memory.deallocate() }

  // MARK: - Two ranks

  /// Both call it, and nobody else; the lower one gets the figures.
  func link(to peer: Int) throws -> LinkFigures {
    let leads = communicator.rank < peer
    // The first messages between two ranks also connect them.
    _ = try roundTrip(floats: 1, times: 10, with: peer, leads: leads)
    let short = try roundTrip(floats: 1, times: 20, with: peer, leads: leads)
    let latency = try roundTrip(
      floats: 1, times: agree(Self.seconds / max(short, 1e-7), with: peer, leads: leads), with: peer,
      leads: leads)
    let medium = try roundTrip(floats: Self.fewFloats, times: 2, with: peer, leads: leads)
    let rate = Double(2 * Self.fewFloats) / max(medium, 1e-7)
    let length = try agree(
      min(max(rate * Self.seconds / 4, Double(Self.fewFloats)), Double(Self.mostFloats)), with: peer,
      leads: leads)
    let long = try roundTrip(floats: length, times: 1, with: peer, leads: leads)
    let times = try agree(Self.seconds / max(long, 1e-7), with: peer, leads: leads)
    let trip = try roundTrip(floats: length, times: times, with: peer, leads: leads)
    return LinkFigures(
      first: min(communicator.rank, peer), second: max(communicator.rank, peer),
      latencySeconds: latency / 2, bytesPerSecond: Double(8 * length) / trip)
  }

  /// Seconds of a message there and one back.
  private func roundTrip(floats: Int, times: Int, with peer: Int, leads: Bool) throws -> Double {
    let message = [Message(peer: peer, memory: UnsafeMutableBufferPointer(rebasing: memory[..<floats]))]
    let begin = MonotonicTime.seconds
    for _ in 0..<times {
      for sends in [leads, !leads] { try pass(message, sends: sends) }
    }
    return (MonotonicTime.seconds - begin) / Double(times)
  }

  private func pass(_ message: [Message], sends: Bool) throws {
    let nothing = UnsafeBufferPointer<Message>(start: nil, count: 0)
    try message.withUnsafeBufferPointer { message in
      if sends {
        try communicator.exchange(sends: message, receives: nothing)
      } else {
        try communicator.exchange(sends: nothing, receives: message)
      }
    }
  }

  /// The number that the leader has found, at least 1 and exact as a float, for both.
  private func agree(_ number: Double, with peer: Int, leads: Bool) throws -> Int {
    memory[0] = Float(Int(min(max(number, 1), Double(Self.mostFloats))))
    try pass(
      [Message(peer: peer, memory: UnsafeMutableBufferPointer(rebasing: memory[..<1]))], sends: leads)
    let agreed = Int(memory[0])
    memory[0] = 0
    return agreed
  }

  // MARK: - All ranks

  func sum() throws -> SumFigures {
    let short = try sums(floats: 1, times: 10)
    let latency = try sums(floats: 1, times: agree(Self.seconds / max(short, 1e-7)))
    let medium = try sums(floats: Self.fewFloats, times: 2)
    let length = try agree(
      max(Double(Self.fewFloats) * Self.seconds / 2 / max(medium, 1e-7), Double(Self.fewFloats)))
    let long = try sums(floats: length, times: 1)
    let seconds = try sums(floats: length, times: agree(Self.seconds / max(long, 1e-7)))
    return SumFigures(bytes: Double(4 * length), seconds: seconds, latencySeconds: latency)
  }

  private func sums(floats: Int, times: Int) throws -> Double {
    try communicator.barrier()
    let begin = MonotonicTime.seconds
    for _ in 0..<times {
      try communicator.allreduce(UnsafeMutableBufferPointer(rebasing: memory[..<floats]), .sum)
    }
    return (MonotonicTime.seconds - begin) / Double(times)
  }

  /// The least that any rank has found, for all.
  private func agree(_ number: Double) throws -> Int {
    var least = [Int64(min(max(number, 1), Double(Self.mostFloats)))]
    try least.withUnsafeMutableBufferPointer { try communicator.allreduce($0, .minimum) }
    return Int(least[0])
  }
}
