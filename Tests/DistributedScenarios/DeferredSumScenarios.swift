import MessagePassing

extension Scenario {
  static let deferredSums: [Scenario] = [
    Scenario("started sums are complete after finishAllreduces") { world in
      // Buckets of one array, begun back to front, as a backward pass does it; three steps.
      let bounds = [0, 1, 1, 1000, 1003, 30_000, 131_072]
      for step in 1...3 {
        var gradients = (0..<131_072).map { Float((world.rank + step) * ($0 % 11 + 1)) }
        try gradients.withUnsafeMutableBufferPointer { memory in
          for bucket in (0..<bounds.count - 1).reversed() {
            try world.startAllreduce(.init(rebasing: memory[bounds[bucket]..<bounds[bucket + 1]]))
            for _ in 0..<bucket { try world.progress() }
          }
          try world.finishAllreduces()
        }
        let factor = (0..<world.size).reduce(0) { $0 + $1 + step }
        try check(each: gradients, equals: { Float(factor * ($0 % 11 + 1)) }, "gradients of step \(step)")
      }
    },

    Scenario("more sums are started than any pool was made for") { world in
      var values = (0..<1500).map { Float(world.rank * $0) }
      try values.withUnsafeMutableBufferPointer { memory in
        for start in stride(from: 0, to: 1500, by: 5) {
          try world.startAllreduce(.init(rebasing: memory[start..<start + 5]))
          if start % 100 == 0 { try world.progress() }
        }
        try world.finishAllreduces()
      }
      let factor = world.size * (world.size - 1) / 2
      try check(each: values, equals: { Float(factor * $0) }, "values")
    },

    Scenario("other calls may pass while sums are under way") { world in
      var values = [Float](repeating: Float(world.rank + 1), count: 10_000)
      try values.withUnsafeMutableBufferPointer { memory in
        try world.startAllreduce(.init(rebasing: memory[..<6000]))
        var others = [Double(world.rank)]
        try others.withUnsafeMutableBufferPointer { try world.allreduce($0, .maximum) }
        try check(others, equals: [Double(world.size - 1)], "an allreduce between")
        try checkRing(world, lengths: [3, 40_000])
        try world.startAllreduce(.init(rebasing: memory[6000...]))
        try world.barrier()
        try world.finishAllreduces()
      }
      let sum = Float(world.size * (world.size + 1) / 2)
      try check(each: values, equals: { _ in sum }, "the sums")
    },

    Scenario("progress and finishAllreduces without a started sum do nothing") { world in
      for _ in 0..<3 {
        try world.progress()
        try world.finishAllreduces()
      }
      try world.barrier()
    },
  ]
}
