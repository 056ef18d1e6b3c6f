import Averaging
import MessagePassing
import TensorCore

// Optimizer state on its way to a checkpoint and back.

extension Scenario {
  static let stateTransfers: [Scenario] = [
    Scenario("state is gathered on rank 0 piece by piece, in order, and scattered to its owners") { world in
      for (name, layout) in averagingLayouts {
        for slices in [Slices(layout, ranks: world.size), Slices(whole: layout)] {
          let mine = slices.elements[slices.elements.count == 1 ? 0 : world.rank]
          for length in [7, 1000, 1 << 22] where layout.count / length < 100 {
            let what = "\(name), \(slices.elements.count) slices, pieces of \(length)"
            let transfer = StateTransfer(world, slices: slices, pieceLength: length)
            let own = Arena<Float>(count: mine.count)
            for index in 0..<mine.count { own.base[index] = Float(mine.lowerBound + index + 1) }

            var whole: [Float] = []
            try transfer.gather(own) { position, piece in
              try check(world.rank, equals: 0, "the rank that receives, \(what)")
              try check(position, equals: whole.count, "the position of a piece, \(what)")
              try check((1...length).contains(piece.count), "a piece has \(piece.count) elements, \(what)")
              whole += piece
            }
            try check(whole.count, equals: world.rank == 0 ? layout.count : 0, "elements gathered, \(what)")
            try check(each: whole, equals: { Float($0 + 1) }, "gathered, \(what)")

            own.base.update(repeating: -1, count: own.count)
            var sent = 0
            try transfer.scatter(into: own) { position, piece in
              try check(world.rank, equals: 0, "the rank that sends, \(what)")
              try check(position, equals: sent, "the position of a piece, \(what)")
              try check((1...length).contains(piece.count), "a piece has \(piece.count) elements, \(what)")
              for index in piece.indices { piece[index] = whole[position + index] * 2 }
              sent += piece.count
            }
            try check(sent, equals: world.rank == 0 ? layout.count : 0, "elements sent, \(what)")
            try check(each: own.buffer, equals: { Float(2 * (mine.lowerBound + $0 + 1)) }, "own, \(what)")
          }
        }
      }
    }
  ]
}
