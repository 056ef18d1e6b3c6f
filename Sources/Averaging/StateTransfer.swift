import MessagePassing
import TensorCore

/// Brings vectors from rank 0 to the owners of their slices, in pieces, so that rank 0 needs no room for a whole vector.
/// The way back is `StateStream`.
package struct StateTransfer {
  private let communicator: any Communicator
  private let slices: [Range<Int>]
  private let pieceLength: Int

  /// - Parameters:
  ///   - slices: of each rank; one: everybody gets all of it.
  ///   - pieceLength: elements of a piece, at most: 16 MiB.
  package init(
    _ communicator: any Communicator, slices: [Range<Int>],
    pieceLength: Int = (16 << 20) / MemoryLayout<Float>.stride
  ) {
    precondition(pieceLength > 0)
    self.communicator = communicator
    self.slices = slices
    self.pieceLength = pieceLength
  }

  package init(
    _ communicator: any Communicator, slices: Slices,
    pieceLength: Int = (16 << 20) / MemoryLayout<Float>.stride
  ) {
    self.init(communicator, slices: slices.elements, pieceLength: pieceLength)
  }

  /// Rank 0 gives the pieces of a whole vector, which every rank takes its part of.
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
}
