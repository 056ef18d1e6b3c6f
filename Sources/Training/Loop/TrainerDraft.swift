import Autodiff
import Averaging
import Datasets
import Foundation
import Layers
import Optimizers
import TensorCore

/// What a trainer works out by itself before the ranks meet: everything that can be wrong with a model, its data, and
/// the cut of a batch comes to light here, so that no rank waits for another that has failed.
package struct TrainerDraft {
  package let objective: Objective
  package let optimizer: Optimizer
  package let sampler: Sampler
  package let shards: Shards
  package let data: any Dataset
  package let seed: UInt64
  /// By the numbers of samples that shards of any rank can have.
  package let plans: [Int: Plan]

  /// The parameters are those of `Trainer`.
  package init(
    _ model: any Layer, loss: Loss, optimizer: Optimizer, data: any Dataset, batch: Int, shards: Int? = nil,
    target: Target? = nil, seed: UInt64 = 0, isShuffled: Bool = true, lastBatch: Sampler.LastBatch = .keep,
    ranks: Int
  ) throws {
    self.optimizer = optimizer
    self.data = data
    self.seed = seed
    let objective = try Objective(
      model, loss: loss, inputShape: Shape(data.inputShape), target: target ?? data.target,
      isWeighted: data.isWeighted)
    self.objective = objective
    sampler = try Sampler(
      seed: seed, count: data.count, batch: batch, lastBatch: lastBatch, isShuffled: isShuffled)
    let cut = try Self.shards(shards, batch: batch, ranks: ranks)
    self.shards = cut

    let layout = objective.layout
    try Self.requireMatches(of: optimizer, in: layout)
    // Parameters, gradients, and what the others' gradients arrive in.
    try Self.requireMemory(3 * layout.vectorCount, at: "model", "for \(layout.parameterCount) parameters")
    var plans: [Int: Plan] = [:]
    for size in Set(sampler.batchSizes.flatMap { cut.ranges(ofBatch: $0).map(\.count) }) where size > 0 {
      plans[size] = try objective.trainingPlan(batch: size)
    }
    self.plans = plans
    try Self.requireMemory(
      plans.values.map(\.activationCount).max() ?? 0, at: "shards",
      "for the results of a shard of \(plans.keys.max() ?? 0) samples")
    try requireVariance()
  }

  /// The shards of a step, checked against the batch and the ranks.
  package static func shards(_ wanted: Int?, batch: Int, ranks: Int) throws(TrainingError) -> Shards {
    guard batch >= ranks else {
      throw TrainingError(
        at: "batch", expected: "at least one sample a rank, \(ranks) in all", found: "\(batch)",
        remedy: "Enlarge the batch, or start fewer ranks: mpirun -np \(batch) …")
    }
    guard let wanted else { return Shards(max(Shards.suitable(forBatch: batch).count, ranks)) }
    guard wanted <= batch else {
      throw TrainingError(
        at: "shards", expected: "at most as many shards as the batch has samples, \(batch)",
        found: "\(wanted)",
        remedy: "Set a larger batch or fewer shards, for example: --set shards=\(ranks)")
    }
    guard wanted >= ranks else {
      throw TrainingError(
        at: "shards", expected: "at least one shard a rank, \(ranks) in all", found: "\(wanted)",
        remedy: "Start at most \(wanted) ranks, or set more shards (which changes the run's bits): "
          + "--set shards=\(ranks)")
    }
    return Shards(wanted)
  }

  /// Refuses what would have the system end the process, or the process itself.
  private static func requireMemory(
    _ floats: Int, at place: String, _ purpose: String
  ) throws(TrainingError) {
    let (bytes, overflows) = floats.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    let memory = ProcessInfo.processInfo.physicalMemory
    guard overflows || bytes > memory else { return }
    throw TrainingError(
      at: place, expected: "at most this machine's memory, \(NumberText.bytes(Double(memory))), \(purpose)",
      found: NumberText.bytes(Double(floats) * 4),
      remedy: "Make the model smaller, or the shards: a smaller batch, or more shards.")
  }

  /// Refuses groups of parameters that there are none of.
  private static func requireMatches(
    of optimizer: Optimizer, in layout: VectorLayout
  ) throws(TrainingError) {
    guard let group = optimizer.emptyGroup(in: layout) else { return }
    throw TrainingError(
      at: "optimizer.groups, match \(group.match)",
      expected:
        "names of parameters, such as \(layout.entries.prefix(4).map(\.name).joined(separator: ", "))",
      found: "a pattern that matches none of the \(layout.entries.count)",
      remedy: "Correct the pattern, in which * stands for any characters, or take the group out.")
  }

  /// Refuses a whole batch of too few samples where statistics are the whole batch's.
  private func requireVariance() throws(TrainingError) {
    let forms = plans.values.first?.synchronizations.map(\.form) ?? []
    guard let least = forms.map(\.valuesPerSample).min(),
      let batch = sampler.batchSizes.first(where: { $0 * least < 2 })
    else { return }
    throw TrainingError(
      at: "batch", expected: "at least two values of each channel in a batch, to tell a variance from",
      found: "a batch of \(batch) sample, one value of each",
      remedy: "Use a larger batch; where only an epoch's last batch is too small, set lastBatch: drop.")
  }
}
