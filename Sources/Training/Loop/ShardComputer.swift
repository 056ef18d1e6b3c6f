import Autodiff
import Averaging
import Datasets
import Failpoints
import MessagePassing
import TensorCore

/// Computes the gradients of this rank's shards: the loader's samples through the training plan.
final class ShardComputer {
  private let plans: [Int: Plan]
  private let activations: Arena<Float>
  private let riderOffset: Int
  private let seed: UInt64
  let parameters: Arena<Float>
  /// Where set, the time of every instruction is noted, for shards of as many samples as its plan has.
  var profile: PlanProfile?
  /// Where it says what it computes.
  var whereabouts = Whereabouts()

  init(_ draft: TrainerDraft, parameters: Arena<Float>) {
    plans = draft.plans
    self.parameters = parameters
    seed = draft.seed
    activations = Arena(count: plans.values.map(\.activationCount).max() ?? 0)
    riderOffset = draft.objective.layout.riders.lowerBound
  }

  func plan(of samples: Int) -> Plan? { plans[samples] }

  func compute(
    _ shard: Loader.Shard, gradients: UnsafeMutablePointer<Float>, observer: (any CompletionObserver)?
  ) throws {
    guard let plan = plans[shard.count], let samples = shard.samples.baseAddress else {
      preconditionFailure("no plan for \(shard.count) samples")
    }
    var memory = Bindings(
      parameters: UnsafePointer(parameters.base), gradients: gradients, riders: gradients + riderOffset,
      activations: activations.base)
    memory.inputs = UnsafePointer(shard.inputs)
    memory.labels = shard.targets.labels.map { UnsafePointer($0) }
    memory.targets = shard.targets.values.map { UnsafePointer($0) }
    memory.weights = shard.targets.weights.map { UnsafePointer($0) }
    memory.position = whereabouts.instruction
    whereabouts.beginPass(samples: shard.count)
    defer { whereabouts.endPass() }
    memory.key = PassKey(seed: seed, step: UInt64(shard.step), samples: samples)
    if let profile, profile.plan.batch == shard.count {
      try profile.run(memory) { try observer?.isComplete(prefix: $0) }
    } else if Failpoint.areActive {
      try Executor<FloatKernels>.run(plan, memory) {
        Failpoint.instruction.reach()
        try observer?.isComplete(prefix: $0)
      }
    } else if let observer {
      try Executor<FloatKernels>.run(plan, memory) { try observer.isComplete(prefix: $0) }
    } else {
      Executor<FloatKernels>.run(plan, memory)
    }
  }
}
