import Averaging
import Datasets
import Foundation
import MessagePassing
import Synchronization
import TensorCore

// Optimizer state on its way to a checkpoint and back.

extension Scenario {
  static let stateTransfers: [Scenario] = [
    Scenario("state is scattered to its owners piece by piece") { world in
      for (name, layout) in averagingLayouts {
        for slices in [Slices(layout, ranks: world.size), Slices(whole: layout)] {
          let mine = slices.elements[slices.elements.count == 1 ? 0 : world.rank]
          for length in [7, 1000, 1 << 22] where layout.count / length < 100 {
            let what = "\(name), \(slices.elements.count) slices, pieces of \(length)"
            let transfer = StateTransfer(world, slices: slices, pieceLength: length)
            let own = Arena<Float>(count: mine.count)
            own.base.update(repeating: -1, count: own.count)
            var sent = 0
            try transfer.scatter(into: own) { position, piece in
              try check(world.rank, equals: 0, "the rank that sends, \(what)")
              try check(position, equals: sent, "the position of a piece, \(what)")
              try check((1...length).contains(piece.count), "a piece has \(piece.count) elements, \(what)")
              for index in piece.indices { piece[index] = Float(2 * (position + index + 1)) }
              sent += piece.count
            }
            try check(sent, equals: world.rank == 0 ? layout.count : 0, "elements sent, \(what)")
            try check(each: own.buffer, equals: { Float(2 * (mine.lowerBound + $0 + 1)) }, "own, \(what)")
          }
        }
      }
    },

    Scenario("state comes to rank 0 in order, as it was at the step's end, while steps go on") { world in
      for (name, layout) in averagingLayouts {
        for slices in [Slices(layout, ranks: world.size), Slices(whole: layout)] {
          for (length, room) in [(7, 21), (7, 7), (1000, 1000), (1000, 64_000), (1 << 22, 1 << 24)]
          where layout.count / length < 100 {
            let what = "\(name), \(slices.elements.count) slices, pieces of \(length), room for \(room)"
            try followStream(world, layout, slices, pieceLength: length, roomLength: room, what)
          }
        }
      }
    },

    Scenario("a user of state that gives up lets the ranks go on, and the next is whole") { world in
      let layout = averagingLayouts[0].layout
      let vectors = [Arena<Float>(count: Slices(layout, ranks: world.size).elements[world.rank].count)]
      let stream = StateStream(
        world, slices: Slices(layout, ranks: world.size), vectors: vectors, pieceLength: 5, roomLength: 5)
      for round in 0..<2 {
        vectors[0].base.update(repeating: Float(round), count: vectors[0].count)
        stream.begin()
        let seen = Mutex((pieces: 0, wrong: 0))
        let thread =
          world.rank > 0
          ? nil
          : try JoinableThread {
            _ = try? stream.forEachPiece { (piece, memory) throws(CancellationError) in
              seen.withLock {
                $0.pieces += 1
                $0.wrong += memory.count { $0 != Float(round) }
              }
              if round == 0, piece.range.lowerBound > 0 { throw CancellationError() }
            }
          }
        try stream.finish()
        thread?.join()
        if world.rank == 0, round == 1 {
          let (pieces, wrong) = seen.withLock { $0 }
          try check(pieces, equals: stream.pieces.count, "pieces of the second round")
          try check(wrong, equals: 0, "values of another round")
        }
      }
    },
  ]

  /// Two saves of three vectors, each followed by steps that change them.
  private static func followStream(
    _ world: any Communicator, _ layout: VectorLayout, _ slices: Slices, pieceLength: Int, roomLength: Int,
    _ what: String
  ) throws {
    let mine = slices.elements[slices.elements.count == 1 ? 0 : world.rank]
    let vectors = (0..<3).map { _ in Arena<Float>(count: mine.count) }
    func fill(_ step: Int) {
      for (number, vector) in vectors.enumerated() {
        for index in 0..<vector.count {
          vector.base[index] = value(step: step, vector: number, mine.lowerBound + index)
        }
      }
    }
    let stream = StateStream(
      world, slices: slices, vectors: vectors, pieceLength: pieceLength, roomLength: roomLength)
    if world.rank == 0 {
      try check(
        stream.copiedCount <= vectors.count * mine.count + max(roomLength, pieceLength),
        "copies of \(stream.copiedCount), \(what)")
    }
    for step in [0, 100] {
      fill(step)
      let whole = Mutex([[Float]](repeating: [], count: vectors.count))
      let mistakes = Mutex([String]())
      stream.begin()
      let thread =
        world.rank > 0
        ? nil
        : try JoinableThread {
          let isWhole = stream.forEachPiece { piece, memory in
            whole.withLock { whole in
              if piece.range.lowerBound != whole[piece.vector].count || memory.count > pieceLength
                || memory.count != piece.range.count
              {
                mistakes.withLock { $0.append("piece \(piece.range) of \(piece.vector)") }
              }
              whole[piece.vector] += memory
            }
          }
          if !isWhole { mistakes.withLock { $0.append("given up") } }
        }
      var steps = 0
      repeat {
        try stream.advance()
        steps += 1
        // The next step: what is still to travel must be what it was.
        fill(step + steps)
      } while !stream.isComplete
      thread?.join()
      try check(steps <= 9, "state travelled for \(steps) steps, \(what)")
      try check(mistakes.withLock { $0.joined(separator: ", ") }, equals: "", "mistakes, \(what)")
      guard world.rank == 0 else { continue }
      for (number, values) in whole.withLock({ $0 }).enumerated() {
        try check(values.count, equals: layout.count, "elements of vector \(number), \(what)")
        try check(
          each: values, equals: { value(step: step, vector: number, $0) }, "vector \(number), \(what)")
      }
    }
  }

  private static func value(step: Int, vector: Int, _ position: Int) -> Float {
    Float(position + 1) + Float(vector) * 0.25 + Float(step) * 10_000
  }
}
