import Autodiff
import Averaging
import Datasets
import Layers
import MessagePassing
import TensorCore

/// Computes the gradients of this rank's shards together, where their passes depend on each other, as with
/// synchronized batch normalization: all pass one segment of the plan, tell the shards of the other ranks what
/// they found, and then enter the next.
///
/// The price is memory: every shard of this rank holds its samples, activations and gradients at the same time,
/// where shards that know nothing of each other take turns in one place. More ranks make it less for each.
final class SynchronizedShards {
  private let plans: [Int: Plan]
  /// One for each of this rank's shards.
  private let held: [HeldShard]
  private let run: Range<Int>
  private let sizes: [Int: [Int]]
  private let exchange: ShardExchange
  /// Where shards meet: the same in every plan, whatever its number of samples.
  private let forms: [SynchronizationForm]
  /// Where it says what it computes.
  var whereabouts = Whereabouts()

  /// nil for a plan whose shards don't meet.
  init?(_ draft: TrainerDraft, parameters: Arena<Float>, over communicator: any Communicator) {
    let (plans, shards, batchSizes) = (draft.plans, draft.shards, draft.sampler.batchSizes)
    guard let plan = plans.values.first, !plan.synchronizations.isEmpty else { return nil }
    forms = plan.synchronizations.map(\.form)
    for other in plans.values {
      precondition(other.synchronizations.map(\.form) == forms, "shards of all sizes meet alike")
    }
    let run = shards.ranges(ofRanks: communicator.size)[communicator.rank]
    (self.plans, self.run) = (plans, run)
    var sizes: [Int: [Int]] = [:]
    for batch in batchSizes { sizes[batch] = shards.ranges(ofBatch: batch)[run].map(\.count) }
    self.sizes = sizes
    exchange = ShardExchange(
      communicator, shards: shards, batchSizes: batchSizes, channels: Set(forms.map(\.channels)))
    held = run.indices.map { shard in
      let own = Set(sizes.values.map { $0[shard - run.lowerBound] })
      return HeldShard(
        capacity: own.max() ?? 0, data: draft.data, layout: plan.layout,
        activationCount: own.compactMap { plans[$0]?.activationCount }.max() ?? 0, parameters: parameters,
        seed: draft.seed)
    }
  }

  /// - Parameters:
  ///   - batch: the samples of the batch, over all ranks.
  ///   - next: called once for each shard of this rank that has samples, in order, for these.
  func compute(batch: Int, phase: (StepPhase) -> Void, next: (_ shard: Int) -> Loader.Shard) throws {
    guard let sizes = sizes[batch] else { preconditionFailure("no plan for a batch of \(batch)") }
    for index in held.indices {
      if sizes[index] > 0 { held[index].take(next(run.lowerBound + index)) } else { held[index].leaveEmpty() }
    }
    for segment in 0...forms.count {
      for index in held.indices where held[index].count > 0 {
        var memory = held[index].memory
        memory.position = whereabouts.instruction
        whereabouts.beginPass(samples: held[index].count)
        Executor<FloatKernels>.run(plan(of: held[index]), memory, segment: segment)
        whereabouts.endPass()
      }
      guard segment < forms.count else { return }
      try exchange.exchange(forms[segment], batch: batch, phase: phase) { shard in
        let shard = held[shard - run.lowerBound]
        return Executor<FloatKernels>.meeting(plan(of: shard), shard.memory, after: segment)
      }
    }
  }

  /// After `compute`: one shard's gradients with the riders.
  func copyGradients(of shard: Int, to target: UnsafeMutablePointer<Float>) {
    held[shard - run.lowerBound].copyGradients(to: target)
  }

  private func plan(of shard: HeldShard) -> Plan {
    guard let plan = plans[shard.count] else { preconditionFailure("no plan for \(shard.count) samples") }
    return plan
  }
}
