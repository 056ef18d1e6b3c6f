import Averaging
import MessagePassing
import TensorCore

// Sums of gradients over ranks: that they are the sums, for every layout, cut and size of batch.

extension Scenario {
  /// Those about averaging.
  package static let averaging: [Scenario] =
    averagedSums + synchronizedSteps + stateTransfers + synchronization

  private static let averagedSums: [Scenario] = [
    Scenario("gradients add up to the closed form, whatever the layout, the shards and the strategy") {
      world in
      // Small whole numbers: exact in any order.
      func value(_ shard: Int, _ samples: Int, _ element: Int) -> Float {
        Float(((shard + 1) * (element % 13 + 1) + element % 7) * samples)
      }
      for strategy in Strategy.all {
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
            let found = UnsafeBufferPointer(start: result.gradients, count: sum.owned.count)
            try check(each: found, equals: { expected[sum.owned.lowerBound + $0] }, what)
            try madeUp.checkRiders(result, what)
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
          guard case .ordered = strategy else {
            try check(all, equals: all.map { _ in "[0, \(layout.count)]" }, "owned parts, \(what)")
            return
          }
          let parts = sum.slices.elements
          try check(all, equals: parts.map { "[\($0.lowerBound), \($0.upperBound)]" }, "parts, \(what)")
          try check(parts.flatMap(Array.init), equals: Array(0..<layout.count), "all parts, \(what)")
        }
      }
    },

    Scenario("an ordered sum has the bits of the canonical tree at any number of ranks") { world in
      try forEachSum(world, .ordered) { layout, shards, sum, what in
        for (step, batch) in alternatingBatches.enumerated() {
          let madeUp = MadeUpShards(world, layout, shards, batch: batch) {
            unevenValue(step, $0, $2) * Float($1)
          }
          let result = try sum.sum(batch: batch, phase: { _ in }, compute: madeUp.compute)
          let expected = madeUp.canonicalTotal()
          let found = UnsafeBufferPointer(start: result.gradients, count: sum.owned.count)
          try check(bits: found, equal: expected[sum.owned], "\(what), \(batch) samples")
          if layout.count > 1000, madeUp.filled.count > 4 {
            // Were it the same in any order, equal bits would say nothing.
            let inOrder = layout.entries[1].range.map { element in
              madeUp.filled.reduce(0) { $0 + madeUp.gradient($1, madeUp.sizes[$1], element) }
            }
            try check(inOrder != Array(expected[layout.entries[1].range]), "the order makes no difference")
          }
        }
      }
    },

    Scenario("an allreduce gives all ranks the same bits, and the same ones again") { world in
      for strategy in Strategy.all.dropFirst() {
        try forEachSum(world, strategy) { layout, shards, sum, what in
          let repeats = Arena<Float>(count: 2 * layout.count)
          for repetition in 0..<2 {
            let madeUp = MadeUpShards(world, layout, shards, batch: 37) { unevenValue(0, $0, $2) * Float($1) }
            let result = try sum.sum(batch: 37, phase: { _ in }, compute: madeUp.compute)
            (repeats.base + repetition * layout.count).update(from: result.gradients, count: layout.count)
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
        let sum = strategy.make(world, layout, shards, batches: Set(alternatingBatches).sorted())
        try body(layout, shards, sum, "\(strategy), \(name), \(count) shards")
      }
    }
  }
}
