import Averaging
import Foundation
import MessagePassing
import Optimizers
import TensorCore

// Optimizer steps of all ranks together, held to a single rank's and to the formulas; faults and stops.

extension Scenario {
  static let synchronizedSteps: [Scenario] = [
    Scenario("initial values are there on all ranks, however slow the rank that writes them") { world in
      let layout = averagingLayouts[2].layout
      for strategy in Strategy.all {
        let sum = try strategy.make(world, layout, Shards(8), batches: [37])
        // Rank 1 of a machine never writes; those that do need not be equally fast.
        try sum.fill { parameters in
          usleep(world.rank == 0 ? 10_000 : 30_000)
          for element in 0..<layout.count { parameters.base[element] = Float(element) }
        }
        try check(each: sum.parameters.buffer, equals: { Float($0) }, "\(strategy)")
        try world.barrier()
        try check(each: sum.parameters.buffer, equals: { Float($0) }, "\(strategy), later")
      }
    },

    Scenario("owners' steps leave every rank with the bits of a run by one rank") { world in
      for (strategy, (name, layout)) in Strategy.owners.flatMap({ strategy in
        averagingLayouts.map { (strategy, $0) }
      }) {
        for (index, optimizer) in StepRun.optimizers.enumerated() {
          // What shards and slices do does not depend on most rules; where it might, the vector is long.
          if index > 4, name == "many blocks", !optimizer.rule.usesNorms, optimizer.groups.isEmpty {
            continue
          }
          for count in index < 2 ? [world.size, 8] : [8] {
            let run = try StepRun(world, layout, Shards(count), optimizer, strategy)
            let serial = SerialRun(layout, Shards(count), optimizer, strategy.wire)
            for (step, batch) in alternatingBatches.prefix(index > 4 ? 3 : 4).enumerated() {
              _ = try run.run(step, batch: batch)
              serial.run(step, batch: batch)
              let what = "\(strategy), \(optimizer.rule), \(name), \(count) shards, step \(step)"
              try check(bits: run.parameters.buffer, equal: serial.parameters.buffer, what)
              for (mine, all) in zip(run.step.state.vectors, serial.state.vectors) {
                try check(bits: mine.buffer, equal: all.buffer(run.step.sum.owned), "state, \(what)")
              }
              let own = serial.weights.buffer(run.step.sum.owned)
              if let master = run.step.state.master {
                try check(bits: master.buffer, equal: own, "what is rounded, \(what)")
              }
              guard let average = serial.state.average else { continue }
              try run.step.withAverage(afterStep: step + 1) {
                let expected = average.buffer.map { nearest($0, strategy.wire) }
                try check(bits: run.parameters.buffer, equal: expected, "average, \(what)")
              }
              try check(bits: run.parameters.buffer, equal: serial.parameters.buffer, "again, \(what)")
            }
          }
        }
      }
    },

    Scenario("steps follow the formulas, with the mean over samples and the norm of all ranks") { world in
      let layout = averagingLayouts[2].layout
      for (index, optimizer) in StepRun.optimizers.enumerated() {
        for count in index < 2 ? [world.size, 8] : [8] {
          var formulas = FormulaRun(layout, Shards(count), optimizer)
          let strategies =
            index < 2
            ? Strategy.exact : [.ordered(.float32), .shared(.float32), .allreduce(bucketBytes: 9000)]
          let runs = try strategies.map { try StepRun(world, layout, Shards(count), optimizer, $0) }
          for (step, batch) in alternatingBatches.prefix(index > 4 ? 2 : 4).enumerated() {
            formulas.run(step, batch: batch)
            for (run, strategy) in zip(runs, strategies) {
              _ = try run.run(step, batch: batch)
              let what = "\(strategy), \(optimizer.rule), \(count) shards, step \(step)"
              try formulas.check(run.parameters, equals: formulas.updates.map(\.weights), what)
              if optimizer.averageDecay != nil {
                try run.step.withAverage(afterStep: step + 1) {
                  try formulas.check(run.parameters, equals: formulas.averages, "average, \(what)")
                  try checkEqualOnAllRanks(world, run.parameters, "average, \(what)")
                }
                try formulas.check(run.parameters, equals: formulas.updates.map(\.weights), "again, \(what)")
              }
              try checkEqualOnAllRanks(world, run.parameters, what)
            }
          }
        }
      }
    },

    Scenario("gradients that cannot be used are named on all ranks, and no weight changes") { world in
      let layout = averagingLayouts[2].layout
      let numbers = try numbersInJob(world)
      let optimizer = Optimizer.adam(learningRate: 0.01, clipNorm: 1)
      // As many shards as ranks, so that each has one; and several to a rank.
      for count in [world.size, 3 * world.size + 1] {
        let shards = Shards(count)
        for strategy in Strategy.all {
          let run = try StepRun(world, layout, shards, optimizer, strategy)
          let serial = SerialRun(layout, shards, optimizer, strategy.wire)
          _ = try run.run(0, batch: 37)
          serial.run(0, batch: 37)
          var number = 0
          for rank in 0..<world.size {
            let own = shards.ranges(ofRanks: world.size)[rank]
            for shard in Set([own.lowerBound, own.upperBound - 1]).sorted() {
              for entry in [layout.entries[0], layout.entries[3], layout.entries[5]] {
                let value = [Float.nan, .infinity, -.infinity, 1e38][number % 4]
                number += 1
                let spoiled = StepRun.Spoiled(shard: shard, element: entry.range.upperBound - 1, value: value)
                try checkRefusal(
                  run, [spoiled], "\(entry.name) (rank \(numbers[rank]), shard \(shard))",
                  "\(strategy), \(count) shards")
              }
            }
          }
          // After all that, a step is as if nothing had been.
          _ = try run.run(1, batch: 3)
          serial.run(1, batch: 3)
          if strategy.hasOwners {
            try check(bits: run.parameters.buffer, equal: serial.parameters.buffer, "\(strategy), after")
          } else {
            try check(
              zip(run.parameters.buffer, serial.parameters.buffer).allSatisfy { abs($0 - $1) < 1e-5 },
              "\(strategy): the step after the refused ones differs")
          }
        }
      }
    },

    Scenario("faults on several ranks are all named, in the order of the ranks", ranks: 2...64) { world in
      let layout = averagingLayouts[2].layout
      let shards = Shards(world.size)
      let numbers = try numbersInJob(world)
      for strategy in Strategy.all {
        let run = try StepRun(world, layout, shards, .sgd(learningRate: 1), strategy)
        let last = world.size - 1
        let spoiled = [
          StepRun.Spoiled(shard: last, element: layout.entries[4].offset, value: .nan),
          StepRun.Spoiled(shard: 0, element: layout.entries[1].offset + 4999, value: .infinity),
          // Only the first one of a rank is named.
          StepRun.Spoiled(shard: 0, element: layout.entries[2].offset, value: .nan),
        ]
        try checkRefusal(
          run, spoiled,
          "NaN: output.weight (rank \(numbers[0]), shard 0), hidden.weight (rank \(numbers[last]), shard \(last))",
          "\(strategy)")
      }
    },

    Scenario("the largest gradients that can be summed are used") { world in
      let layout = averagingLayouts[2].layout
      for strategy in Strategy.all {
        let run = try StepRun(world, layout, Shards(world.size), .sgd(learningRate: 0), strategy)
        let largest = Float.greatestFiniteMagnitude / 65536
        let spoiled = (0..<world.size).map { StepRun.Spoiled(shard: $0, element: 20, value: largest) }
        _ = try run.run(0, batch: 37, spoiled: spoiled)
        let unchanged = StepRun.initialParameters(layout, strategy.wire)
        try check(bits: run.parameters.buffer, equal: unchanged.buffer, "\(strategy)")
      }
    },

    Scenario("a request to stop on one rank reaches all in the same step") { world in
      let layout = averagingLayouts[1].layout
      for strategy in Strategy.all {
        for count in [world.size, 12] {
          let run = try StepRun(world, layout, Shards(count), .sgd(learningRate: 0.001), strategy)
          for rank in 0..<world.size {
            let calm = try run.run(2 * rank, batch: 37)
            try check(!calm.shouldStop, "\(strategy): a stop that nobody asked for")
            let stopped = try run.run(2 * rank + 1, batch: 37, stopRequested: world.rank == rank)
            try check(stopped.shouldStop, "\(strategy), \(count) shards: rank \(rank)'s stop is not heard")
          }
        }
      }
    },
  ]

  /// Runs a step that all ranks must refuse alike, naming `culprit`, with nothing changed.
  private static func checkRefusal(
    _ run: StepRun, _ spoiled: [StepRun.Spoiled], _ culprit: String, _ what: String
  ) throws {
    let before = ([run.parameters] + run.step.state.vectors).map { Array($0.buffer) }
    var refusal: AveragingError?
    do {
      _ = try run.run(1, batch: 37, spoiled: spoiled)
    } catch let error as AveragingError {
      refusal = error
    }
    guard let refusal else { throw CheckFailure("\(what): the fault of \(culprit) passes") }
    try check(
      refusal.diagnosis.found.hasSuffix(culprit) && refusal.diagnosis.place == "step 2",
      "\(what): expected \(culprit), found \(refusal)")
    let all = try run.world.allgather(bytes: Array(refusal.description.utf8))
    try check(all, equals: all.map { _ in all[0] }, "the error on all ranks, \(what)")
    for (memory, before) in zip([run.parameters] + run.step.state.vectors, before) {
      try check(bits: memory.buffer, equal: before, "\(what): memory after the fault of \(culprit)")
    }
  }
}
