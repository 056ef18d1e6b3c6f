import Autodiff
import Averaging
import Datasets
import Layers
import MessagePassing
import Optimizers
import TensorCore

/// What a plan is made for: a model with its data, its optimizer, and how they are spread over ranks.
package struct PlanSubject: Sendable {
  package var name: String
  package var objective: Objective
  package var optimizer: Optimizer
  package var data: any Dataset
  /// Whether the ranks of a machine have them together.
  package var sharesData = false
  /// What the model is tried on, and by how many samples at a time; empty where nothing is.
  package var trials: [any Dataset] = []
  package var trialShard = 500
  /// Samples of a step, over all ranks.
  package var batch: Int
  /// What batches can have, the largest first: that of most steps.
  package let batchSizes: [Int]
  package var shards: Shards
  package var ranks: Int
  /// Of each rank.
  package var threads = 1
  package var averaging = PlannedAveraging.shared
  package var wire = WireFormat.float32
  /// Steps between two averagings of the parameters, where workers train by themselves.
  package var period = 1
  /// Of the pieces in which an allreduce goes.
  package var bucketBytes = 1 << 20
  /// Whether states are gathered on rank 0 to be saved.
  package var saves = false

  /// A run by a configuration, with its data, on so many ranks.
  package init(_ configuration: RunConfiguration, data: RunData, name: String, ranks: Int) throws {
    let shards = try TrainerDraft.shards(
      configuration.shardsPerStep(ranks: ranks), batch: configuration.samplesPerStep, ranks: ranks)
    let form = SampleForm(data)
    let model = try configuration.makeModel(for: form)
    objective = try configuration.namingTheModel { () throws(GraphError) in
      try Objective(
        model, loss: configuration.loss, inputShape: Shape(form.inputShape),
        target: configuration.trainingTarget(of: data), isWeighted: data.training.isWeighted)
    }
    self.name = name
    optimizer = configuration.makeOptimizer(stepsInRun: 1)
    self.data = data.training
    sharesData = data.note == nil
    trials = [data.validation?.data, data.test].compactMap { $0 }
    trialShard = configuration.validation.shard
    batch = configuration.samplesPerStep
    batchSizes = try Self.batchSizes(
      Sampler(seed: 0, count: data.training.count, batch: batch, lastBatch: configuration.lastBatch))
    (self.shards, self.ranks, threads) = (shards, ranks, configuration.threads)
    averaging = PlannedAveraging(configuration.averagingStrategy)
    (bucketBytes, wire) = (configuration.averaging.bucketBytes, configuration.averaging.wire)
    if averaging == .periodic { period = configuration.averaging.everySteps }
    saves = true
  }

  /// A benchmark model, as `lockstep bench` measures it.
  package init(_ workload: Workload, ranks: Int, threads: Int = 1) throws {
    name = workload.name
    batch = workload.batchPerRank * ranks
    (data, optimizer) = (try workload.noise(count: 8 * batch), workload.optimizer)
    batchSizes = [batch]
    objective = try Objective(
      workload.model, loss: .crossEntropy, inputShape: Shape(data.inputShape), target: data.target)
    (shards, self.ranks, self.threads) = (Shards(ranks), ranks, threads)
  }

  private static func batchSizes(_ sampler: Sampler) -> [Int] { sampler.batchSizes.sorted(by: >) }

  /// The same step on one rank alone, in the same shards.
  var onOneRank: PlanSubject {
    var subject = self
    subject.ranks = 1
    return subject
  }
}

/// How gradients travel, as far as a plan's figures depend on it.
package enum PlannedAveraging: String, Sendable, Codable {
  /// Owners of slices, over messages.
  case ordered
  /// The same, read in place by the ranks of a machine.
  case shared
  /// The whole sum for every rank.
  case allreduce
  /// Local steps, and now and then an average of the parameters.
  case periodic

  package init(_ strategy: AveragingStrategy) {
    switch strategy {
    case .auto, .shared: self = .shared
    case .ordered: self = .ordered
    case .allreduce: self = .allreduce
    case .periodic: self = .periodic
    }
  }
}
