import Averaging
import Foundation
import MessagePassing
import Optimizers
import TensorCore

// Optimizer steps of all ranks together, held to a single rank's and to the formulas; faults and stops.

/// A rank's part of a made-up training run. The gradients depend on the parameters, as real ones do; so a
/// rank with other parameters than the rest, even once, is found out in the next step.
private final class StepRun {
  static let optimizers: [Optimizer] = [
    .sgd(learningRate: 0.001, weightDecay: 0.1, schedule: .step(every: 2, factor: 0.5)),
    .sgd(learningRate: 0.02, momentum: 0.9, nesterov: true, clipNorm: 2.5),
    .adam(learningRate: 0.01, schedule: .cosine(warmup: 2, total: 6, minimum: 0.001)),
    .adamW(learningRate: 0.01, clipNorm: 0.5),
    .adam(learningRate: 0.01, clipNorm: 1e9),
    Optimizer(.rmsprop(momentum: 0.9, centered: true), learningRate: 0.001),
    Optimizer(.adagrad(), learningRate: 0.01),
    Optimizer(
      .lars(trustCoefficient: 0.1, weightDecay: 0.1), learningRate: 0.05,
      schedule: .cosine(warmup: 2, total: 6, minimum: 0.001)),
    Optimizer(.lamb(weightDecay: 0.1), learningRate: 0.01, clipNorm: 1),
    Optimizer(.lion(weightDecay: 0.1), learningRate: 0.001, schedule: .oneCycle(OneCycle(total: 4))),
    grouped(.adamW(weightDecay: 0.1)), grouped(.lamb()),
  ]

  /// Everything that differs between parameters, and the average: a frozen one, one that is faster, no decay
  /// on those of one dimension, penalties, a limit to the norm.
  static func grouped(_ rule: UpdateRule) -> Optimizer {
    var optimizer = Optimizer(rule, learningRate: 0.01, clipNorm: 2)
    optimizer.groups = [
      ParameterGroup("*en.bias", learningRateFactor: 0),
      ParameterGroup("*.weight", learningRateFactor: 0.5, weightDecay: 0.2),
    ]
    optimizer.l1 = 0.01
    optimizer.l2 = 0.02
    optimizer.decaysNormsAndBiases = false
    optimizer.averageDecay = 0.75
    return optimizer
  }

  let world: any Communicator
  let layout: VectorLayout
  let shards: Shards
  let parameters: Arena<Float>
  let step: SynchronizedStep

  init(
    _ world: any Communicator, _ layout: VectorLayout, _ shards: Shards, _ optimizer: Optimizer,
    _ strategy: Strategy
  ) throws {
    self.world = world
    self.layout = layout
    self.shards = shards
    let sum = try strategy.make(world, layout, shards, batches: Set(alternatingBatches).sorted())
    parameters = sum.parameters
    try sum.fill { Self.fillInitialValues($0, layout) }
    step = SynchronizedStep(world, layout: layout, optimizer: optimizer, sum: sum)
    try step.adoptInitialValues()
  }

  static func initialParameters(_ layout: VectorLayout, _ wire: WireFormat = .float32) -> Arena<Float> {
    let parameters = Arena<Float>(count: layout.count)
    fillInitialValues(parameters, layout)
    for index in 0..<layout.count { parameters.base[index] = nearest(parameters.base[index], wire) }
    return parameters
  }

  private static func fillInitialValues(_ parameters: Arena<Float>, _ layout: VectorLayout) {
    for entry in layout.entries {
      for element in entry.range { parameters.base[element] = Float((element * 37) % 101 - 50) / 100 }
    }
  }

  /// The gradients of a step at some parameters; those of `spoiled` are replaced.
  static func madeUp(
    _ world: any Communicator, _ layout: VectorLayout, _ shards: Shards, _ parameters: Arena<Float>,
    step: Int,
    batch: Int, spoiled: [Spoiled] = []
  ) -> MadeUpShards {
    MadeUpShards(world, layout, shards, batch: batch) { shard, samples, element in
      if let spoiled = spoiled.first(where: { $0.shard == shard && $0.element == element }) {
        return spoiled.value
      }
      return Float(samples) * (unevenValue(step, shard, element) + 0.25 * parameters.base[element])
    }
  }

  /// A gradient that is something else than it should be.
  struct Spoiled {
    let shard: Int
    let element: Int
    let value: Float
  }

  func run(
    _ number: Int, batch: Int, stopRequested: Bool = false, spoiled: [Spoiled] = []
  ) throws -> SynchronizedStep.Outcome {
    let madeUp = Self.madeUp(
      world, layout, shards, parameters, step: number, batch: batch, spoiled: spoiled)
    let outcome = try step.run(
      step: number, batch: batch, stopRequested: stopRequested, phase: { _ in }, compute: madeUp.compute)
    try check(outcome.samples, equals: batch, "samples of step \(number)")
    let loss = madeUp.filled.reduce(0) { $0 + MadeUpShards.loss($1) }
    try check(outcome.loss, equals: Float(loss), "loss of step \(number)")
    let correct = madeUp.filled.reduce(0) { $0 + MadeUpShards.correct($1, madeUp.sizes[$1]) }
    try check(outcome.correct, equals: correct, "correct samples of step \(number)")
    return outcome
  }
}

/// The same run by one rank alone: no communicator, no slices; sums by recursion over the tree.
private struct SerialRun {
  let layout: VectorLayout
  let shards: Shards
  let optimizer: Optimizer
  let wire: WireFormat
  /// What is updated, and what gradients are computed at.
  let weights: Arena<Float>
  let parameters: Arena<Float>
  let state: OptimizerState

  init(_ layout: VectorLayout, _ shards: Shards, _ optimizer: Optimizer, _ wire: WireFormat) {
    self.layout = layout
    self.shards = shards
    self.optimizer = optimizer
    self.wire = wire
    weights = StepRun.initialParameters(layout)
    parameters = StepRun.initialParameters(layout, wire)
    state = OptimizerState(optimizer, layout: layout, range: 0..<layout.count)
  }

  func run(_ step: Int, batch: Int) {
    let alone = InProcessCommunicator()
    let madeUp = StepRun.madeUp(alone, layout, shards, parameters, step: step, batch: batch)
    var total = madeUp.canonicalTotal(wire)
    total.withUnsafeMutableBufferPointer { total in
      guard let gradients = total.baseAddress else { return }
      var scale = state.penalize(
        parameters: weights.base, gradients: gradients, scale: 1 / Float(batch))
      if let limit = optimizer.clipNorm {
        let norm = GradientNorm(layout, optimizer: optimizer)
        norm.measure(0..<norm.blocks.count, gradients: gradients, startingAt: 0, scale: scale)
        scale *= norm.clipFactor(limit: limit)
      }
      let rate = optimizer.schedule.learningRate(base: optimizer.learningRate, step: step)
      let momentum = optimizer.schedule.momentum(step: step)
      state.prepare(
        parameters: parameters.base, weights: weights.base, gradients: gradients, scale: scale,
        step: step + 1, momentum: momentum)
      state.update(
        parameters: weights.base, gradients: gradients, scale: scale, learningRate: rate, step: step + 1,
        momentum: momentum)
      for index in 0..<layout.count { parameters.base[index] = nearest(weights.base[index], wire) }
    }
  }
}

/// The same run by the formulas, in double precision.
private struct FormulaRun {
  let layout: VectorLayout
  let shards: Shards
  let optimizer: Optimizer
  /// In the order of the layout's entries.
  var updates: [ReferenceUpdate]
  /// The average of each parameter's elements.
  var averages: [[Double]] = []

  init(_ layout: VectorLayout, _ shards: Shards, _ optimizer: Optimizer) {
    self.layout = layout
    self.shards = shards
    self.optimizer = optimizer
    let initial = StepRun.initialParameters(layout)
    updates = layout.entries.map { entry in
      ReferenceUpdate(weights: entry.range.map { Double(initial.base[$0]) }, rule: optimizer.rule)
    }
  }

  mutating func run(_ step: Int, batch: Int) {
    let settings = layout.entries.map(optimizer.settings)
    // By counting: the first batch mod shards have one more.
    let sizes = (0..<shards.count).map { batch / shards.count + ($0 < batch % shards.count ? 1 : 0) }
    var gradients = zip(layout.entries, updates).enumerated().map { index, parameter in
      zip(parameter.0.range, parameter.1.weights).map { position, weight in
        // The mean over the samples: each of a shard's samples counts once.
        var sum = 0.25 * weight * Double(batch)
        for (shard, samples) in sizes.enumerated() where samples > 0 {
          sum += Double(samples) * Double(unevenValue(step, shard, position))
        }
        let sign = weight > 0 ? 1.0 : weight < 0 ? -1 : 0
        return sum / Double(batch) + settings[index].l1 * sign + settings[index].l2 * weight
      }
    }
    if let limit = optimizer.clipNorm {
      let trained = zip(gradients, settings).flatMap { $1.isFrozen ? [] : $0 }
      let norm = trained.reduce(0) { $0 + $1 * $1 }.squareRoot()
      if norm > limit { gradients = gradients.map { $0.map { $0 * limit / norm } } }
    }
    let rate = optimizer.schedule.learningRate(base: optimizer.learningRate, step: step)
    let rule = optimizer.schedule.momentum(step: step).map(optimizer.rule.with) ?? optimizer.rule
    for index in updates.indices {
      updates[index].apply(
        rule, gradients: gradients[index], learningRate: rate, step: step + 1, settings: settings[index])
    }
    let weights = updates.map(\.weights)
    guard let decay = optimizer.averageDecay, step > 0 else {
      averages = weights
      return
    }
    averages = zip(averages, weights).map { zip($0, $1).map { decay * $0 + (1 - decay) * $1 } }
  }

  func check(_ parameters: Arena<Float>, equals expected: [[Double]], _ what: String) throws {
    for (entry, values) in zip(layout.entries, expected) {
      for (position, value) in zip(entry.range, values) {
        let found = Double(parameters.base[position])
        try DistributedScenarios.check(
          abs(found - value) < 3e-6, "\(what), element \(position): expected \(value), found \(found)")
      }
    }
  }
}

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
                  run, [spoiled], "\(entry.name) (rank \(rank), shard \(shard))",
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
          "NaN: output.weight (rank 0, shard 0), hidden.weight (rank \(last), shard \(last))", "\(strategy)")
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
