import Autodiff
import Layers
import TensorCore
import Testing

import Optimizers

/// The plainest training loop: one rank, one shard a step.
final class Trainer {
  private let optimizer: Optimizer
  let plan: Plan
  let parameters: Arena<Float>
  private let gradients: Arena<Float>
  private let activations: Arena<Float>
  let state: OptimizerState
  private let norm: GradientNorm
  private var step = 0

  init(_ objective: Objective, _ optimizer: Optimizer, batch: Int) throws {
    self.optimizer = optimizer
    plan = try objective.trainingPlan(batch: batch)
    parameters = Arena(count: plan.layout.vectorCount)
    gradients = Arena(count: plan.layout.gradientCount)
    activations = Arena(count: plan.activationCount)
    state = OptimizerState(optimizer, layout: plan.layout, range: 0..<plan.layout.count)
    norm = GradientNorm(plan.layout)
  }

  func set(_ name: String, _ values: [Float]) throws {
    let entry = try entry(name)
    try #require(entry.shape.count == values.count)
    for (index, value) in values.enumerated() { parameters.base[entry.offset + index] = value }
  }

  func values(_ name: String) throws -> [Float] { try entry(name).range.map { parameters.base[$0] } }

  private func entry(_ name: String) throws -> VectorLayout.Entry {
    try #require(plan.layout.entries.first { $0.name == name })
  }

  /// One step: its mean loss, and the norm of the mean gradient before clipping.
  func train(
    _ inputs: UnsafePointer<Float>, targets: UnsafePointer<Float>?, labels: UnsafePointer<Int32>?
  ) -> (loss: Double, norm: Double) {
    var memory = Bindings(
      parameters: parameters.base, gradients: gradients.base, riders: gradients.base + plan.layout.count,
      activations: activations.base)
    memory.inputs = inputs
    memory.targets = targets
    memory.labels = labels
    Executor<FloatKernels>.run(plan, memory)

    let samples = memory.riders[Rider.samples.rawValue]
    var scale = state.penalize(parameters: parameters.base, gradients: gradients.base, scale: 1 / samples)
    norm.measure(0..<norm.blocks.count, gradients: gradients.base, startingAt: 0, scale: scale)
    let length = norm.sums.buffer.reduce(0, +).squareRoot()
    if let limit = optimizer.clipNorm { scale *= norm.clipFactor(limit: limit) }
    let rate = optimizer.schedule.learningRate(base: optimizer.learningRate, step: step)
    let momentum = optimizer.schedule.momentum(step: step)
    step += 1
    state.prepare(
      parameters: parameters.base, gradients: gradients.base, scale: scale, step: step, momentum: momentum)
    state.update(
      parameters: parameters.base, gradients: gradients.base, scale: scale, learningRate: rate, step: step,
      momentum: momentum)
    return (Double(memory.riders[Rider.loss.rawValue]) / Double(samples), length)
  }
}
