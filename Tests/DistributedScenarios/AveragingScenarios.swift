import Averaging
import MessagePassing
import TensorCore

// Sums of gradients over ranks: that they are the sums, for every layout, cut and size of batch.

extension Scenario {
  /// Those about averaging.
  package static let averaging: [Scenario] =
    averagedSums + synchronizedSteps + localSteps + stateTransfers + synchronization

  private static let averagedSums: [Scenario] = [
    Scenario("gradients add up to the closed form, whatever the layout, the shards and the strategy") {
      world in
      // Small whole numbers: exact in any order.
      func value(_ shard: Int, _ samples: Int, _ element: Int) -> Float {
        Float(((shard + 1) * (element % 13 + 1) + element % 7) * samples)
      }
      for strategy in Strategy.exact {
        try forEachSum(world, strategy) { layout, shards, sum, what in
          for batch in alternatingBatches {
            let madeUp = MadeUpShards(world, layout, shards, batch: batch, gradient: value)
            let result = try sum.sum(batch: batch, phase: { _ in }, compute: madeUp.compute)
            let what = "\(what), \(batch) samples"
            var expected = [Float](repeating: 0, count: layout.count)
            for entry in layout.entries {
              for element in entry.range {
                expected[element] = madeUp.filled.reduce(0) { $0 + value($1, madeUp.sizes[$1], element) }
              }
            }
            try madeUp.checkRiders(result, what)
            let found = sum.summed()
            try check(each: found, equals: { expected[sum.owned.lowerBound + $0] }, what)
            try sum.share()
          }
        }
      }
    },

    Scenario("the owners' parts cover the vector, and an allreduce's owner has all of it") { world in
      for strategy in Strategy.all {
        try forEachSum(world, strategy) { layout, _, sum, what in
          let bounds = [sum.owned.lowerBound, sum.owned.upperBound]
          let all = try world.allgather(bytes: Array("\(bounds)".utf8))
            .map { String(decoding: $0, as: UTF8.self) }
          guard strategy.hasOwners else {
            try check(all, equals: all.map { _ in "[0, \(layout.count)]" }, "owned parts, \(what)")
            return
          }
          let parts = sum.slices.elements
          try check(all, equals: parts.map { "[\($0.lowerBound), \($0.upperBound)]" }, "parts, \(what)")
          try check(parts.flatMap(Array.init), equals: Array(0..<layout.count), "all parts, \(what)")
        }
      }
    },

    Scenario("owners' sums have the bits of the canonical tree at any number of ranks") { world in
      for strategy in Strategy.owners {
        try forEachSum(world, strategy) { layout, shards, sum, what in
          for (step, batch) in alternatingBatches.enumerated() {
            let madeUp = MadeUpShards(world, layout, shards, batch: batch) {
              unevenValue(step, $0, $2) * Float($1)
            }
            let riders = try sum.sum(batch: batch, phase: { _ in }, compute: madeUp.compute)
            try madeUp.checkRiders(riders, "\(what), \(batch) samples")
            let expected = madeUp.canonicalTotal(strategy.wire)
            try check(bits: sum.summed(), equal: expected[sum.owned], "\(what), \(batch) samples")
            try check(
              bits: sum.summed(leavesRest: true), equal: expected[sum.owned],
              "\(what), \(batch) samples, the last addition made here")
            let whole = UnsafeBufferPointer(start: sum.ownedGradients(), count: sum.owned.count)
            try check(bits: whole, equal: expected[sum.owned], "\(what), \(batch) samples, at once")
            try sum.share()
            if layout.count > 1000, madeUp.filled.count > 4 {
              // Were it the same in any order, equal bits would say nothing.
              let inOrder = layout.entries[1].range.map { element in
                madeUp.filled.reduce(0) { $0 + madeUp.gradient($1, madeUp.sizes[$1], element) }
              }
              try check(inOrder != Array(expected[layout.entries[1].range]), "the order makes no difference")
            }
          }
        }
      }
    },

    Scenario("an allreduce gives all ranks the same bits, and the same ones again") { world in
      for strategy in Strategy.all where !strategy.hasOwners {
        try forEachSum(world, strategy) { layout, shards, sum, what in
          let repeats = Arena<Float>(count: 2 * layout.count)
          for repetition in 0..<2 {
            let madeUp = MadeUpShards(world, layout, shards, batch: 37) { unevenValue(0, $0, $2) * Float($1) }
            _ = try sum.sum(batch: 37, phase: { _ in }, compute: madeUp.compute)
            (repeats.base + repetition * layout.count).update(from: sum.ownedGradients(), count: layout.count)
          }
          let (first, second) = (repeats.buffer(0..<layout.count), repeats.buffer.dropFirst(layout.count))
          try check(bits: second, equal: first, "\(what), again")
          try checkEqualOnAllRanks(world, repeats, what)
        }
      }
    },
  ]

  /// Every layout and number of shards; the sum is ready for the batches of `alternatingBatches`.
  private static func forEachSum(
    _ world: any Communicator, _ strategy: Strategy,
    _ body: (VectorLayout, Shards, any GradientSum, _ what: String) throws -> Void
  ) throws {
    for (name, layout) in averagingLayouts {
      for count in shardCounts(world.size) {
        let shards = Shards(count)
        let sum = try strategy.make(world, layout, shards, batches: Set(alternatingBatches).sorted())
        try body(layout, shards, sum, "\(strategy), \(name), \(count) shards")
      }
    }
  }
}

extension GradientSum {
  /// The sums of the owned part, piece by piece, as an update takes them.
  fileprivate func summed(leavesRest: Bool = false) -> [Float] {
    stride(from: owned.lowerBound, to: owned.upperBound, by: Self.pieceLength).flatMap { start in
      let piece = start..<min(start + Self.pieceLength, owned.upperBound)
      let terms = gradients(of: piece, leavesRest: leavesRest)
      return (0..<piece.count).map { index in
        terms.rest.map { terms.sum[index] + $0[index] } ?? terms.sum[index]
      }
    }
  }
}
