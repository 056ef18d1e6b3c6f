import Synchronization

/// Pieces of memory of one size, for a moment each: as many as threads have asked for at once. Nothing is
/// allocated unless more threads are at work than ever before.
final class ScratchPool: Sendable {
  private struct State: @unchecked Sendable {
    var free: [UnsafeMutablePointer<Float>] = []
    var made: [UnsafeMutablePointer<Float>] = []
  }

  private let size: Int
  private let state = Mutex(State())

  /// Makes `count` pieces of `size` numbers at once.
  init(size: Int, count: Int) {
    self.size = size
    let pieces = (0..<count).map { _ in Self.piece(size) }
    state.withLock { state in
      state.free = pieces.map(\.memory)
      state.made = state.free
    }
  }

  deinit {
    state.withLock { state in
      for memory in state.made { memory.deallocate() }
    }
  }

  /// Lends a piece to `body`; what is in it is left over from the last use.
  func withScratch(_ body: (UnsafeMutablePointer<Float>) -> Void) {
    let piece = state.withLock { state -> Piece in
      if let memory = state.free.popLast() { return Piece(memory: memory) }
      let piece = Self.piece(size)
      state.made.append(piece.memory)
      state.free.reserveCapacity(state.made.count)
      return piece
    }
    body(piece.memory)
    state.withLock { $0.free.append(piece.memory) }
  }

  private struct Piece: @unchecked Sendable {
    let memory: UnsafeMutablePointer<Float>
  }

  private static func piece(_ size: Int) -> Piece {
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: size)
    memory.initialize(repeating: 0, count: size)
    return Piece(memory: memory)
  }
}
