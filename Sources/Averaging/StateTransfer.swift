import MessagePassing
import TensorCore

/// Moves vectors whose slices the ranks own to rank 0 and back, in pieces, so that rank 0 needs no room
/// for a whole vector.
package struct StateTransfer {
  private let communicator: any Communicator
  private let slices: [Range<Int>]
  private let pieceLength: Int

  /// - Parameter pieceLength: elements of a piece, at most: 16 MiB.
  package init(
    _ communicator: any Communicator, slices: Slices,
    pieceLength: Int = (16 << 20) / MemoryLayout<Float>.stride
  ) {
    precondition(pieceLength > 0)
    self.communicator = communicator
    self.slices = slices.elements
    self.pieceLength = pieceLength
  }

  /// Every owner's part of a vector goes to rank 0, where `receive` takes it piece by piece, in order, with
  /// the piece's first position in the whole vector. Where every rank has all of it, nothing travels.
  package func gather(
    _ own: Arena<Float>, receive: (_ position: Int, _ piece: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let staging = Arena<Float>(
      count: communicator.rank == 0 ? min(slices.dropFirst().map(\.count).max() ?? 0, pieceLength) : 0)
    for (owner, slice) in slices.enumerated() {
      for start in stride(from: slice.lowerBound, to: slice.upperBound, by: pieceLength) {
        let piece = start..<min(start + pieceLength, slice.upperBound)
        let local = (piece.lowerBound - slice.lowerBound)..<(piece.upperBound - slice.lowerBound)
        if owner == 0 {
          if communicator.rank == 0 { try receive(start, UnsafeBufferPointer(own.buffer(local))) }
        } else if communicator.rank == 0 {
          let memory = staging.buffer(0..<piece.count)
          try exchange(sends: [], receives: [Message(peer: owner, memory: memory)])
          try receive(start, UnsafeBufferPointer(memory))
        } else if communicator.rank == owner {
          try exchange(sends: [Message(peer: 0, memory: own.buffer(local))], receives: [])
        } else {
          try exchange(sends: [], receives: [])
        }
      }
    }
  }

  /// The reverse: rank 0 gives the pieces of a whole vector, which every rank takes its part of.
  package func scatter(
    into own: Arena<Float>, send: (_ position: Int, _ piece: UnsafeMutableBufferPointer<Float>) throws -> Void
  ) throws {
    let length = slices.last?.upperBound ?? 0
    let staging = Arena<Float>(count: min(length, pieceLength))
    // With one slice for all, everyone has all of it.
    let mine = slices.count == 1 ? slices[0] : slices[communicator.rank]
    for start in stride(from: 0, to: length, by: pieceLength) {
      let piece = start..<min(start + pieceLength, length)
      let memory = staging.buffer(0..<piece.count)
      if communicator.rank == 0 { try send(start, memory) }
      try communicator.broadcast(UnsafeMutableRawBufferPointer(memory), from: 0)
      let part = piece.clamped(to: mine)
      guard !part.isEmpty else { continue }
      (own.base + (part.lowerBound - mine.lowerBound)).update(
        from: staging.base + (part.lowerBound - start), count: part.count)
    }
  }

  private func exchange(sends: [Message], receives: [Message]) throws {
    try sends.withUnsafeBufferPointer { sends in
      try receives.withUnsafeBufferPointer { try communicator.exchange(sends: sends, receives: $0) }
    }
  }
}
