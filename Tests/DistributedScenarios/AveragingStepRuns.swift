import Averaging
import Foundation
import MessagePassing
import Optimizers
import TensorCore

// Made-up training runs: by all ranks, by one alone, and by the formulas.

/// A rank's part of a made-up training run. The gradients depend on the parameters, as real ones do; so a
/// rank with other parameters than the rest, even once, is found out in the next step.
final class StepRun {
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
struct SerialRun {
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
struct FormulaRun {
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
