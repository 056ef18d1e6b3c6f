// Training with batch normalization over the whole batch.

import Autodiff
import Datasets
import DistributedScenarios
import Layers
import MessagePassing
import Optimizers
import TensorCore
import Testing
import Training

@Suite struct SynchronizedNormalizationTests {
  private func trainer(
    isSynchronized: Bool, shards: Int, steps: Int, batch: Int = 13,
    lastBatch: Sampler.LastBatch = .keep, averaging: AveragingStrategy = .ordered
  ) throws -> (trainer: Trainer, losses: [Float]) {
    let trainer = try Trainer(
      smallConvolutionalModel(isSynchronized: isSynchronized), loss: .crossEntropy,
      optimizer: .sgd(learningRate: 0.1), data: imagesOfNoise(16), batch: batch, shards: shards, seed: 2,
      lastBatch: lastBatch, averaging: averaging, over: InProcessCommunicator())
    var losses: [Float] = []
    _ = try trainer.fit(untilStep: steps) { losses.append($0.loss) }
    return (trainer, losses)
  }

  @Test(arguments: [AveragingStrategy.shared, .allreduce(bucketBytes: 1024)])
  func theCutIntoShardsMakesNoDifference(_ averaging: AveragingStrategy) throws {
    // Of the second step's three samples each is a shard of its own, and the other shards are empty.
    let whole = try trainer(isSynchronized: false, shards: 1, steps: 2)
    for shards in [2, 5, 8, 13] {
      let cut = try trainer(isSynchronized: true, shards: shards, steps: 2, averaging: averaging)
      for (loss, expected) in zip(cut.losses, whole.losses) {
        #expect(abs(loss - expected) < 1e-5 * expected, "\(shards) shards: \(loss), \(expected)")
      }
      let layout = whole.trainer.objective.layout
      #expect(cut.trainer.objective.layout == layout && layout.buffers.count == 8)
      for entry in layout.allEntries {
        let (found, expected) = (
          cut.trainer.parameters.buffer(entry.range), whole.trainer.parameters.buffer(entry.range)
        )
        let isNear = zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 * (1 + abs($1)) }
        #expect(isNear, "\(entry.name), \(shards) shards")
      }
    }
  }

  @Test func ofASingleShardNotABitChanges() throws {
    let plain = try trainer(isSynchronized: false, shards: 1, steps: 4)
    let synchronized = try trainer(isSynchronized: true, shards: 1, steps: 4)
    #expect(plain.losses == synchronized.losses)
    #expect(
      plain.trainer.parameters.buffer.map(\.bitPattern)
        == synchronized.trainer.parameters.buffer.map(\.bitPattern))
  }

  @Test func aBatchOfOneValueAChannelIsRefused() throws {
    let error = #expect(throws: TrainingError.self) {
      _ = try trainer(isSynchronized: true, shards: 1, steps: 1, batch: 15)
    }
    let text = "\(try #require(error))"
    for part in ["batch of 1 sample", "lastBatch: drop"] { #expect(text.contains(part), "\(text)") }
    _ = try trainer(isSynchronized: true, shards: 15, steps: 1, batch: 15, lastBatch: .drop)
  }

  @Test func onlySynchronizedModelsStopForOthers() throws {
    for (isSynchronized, count) in [(false, 0), (true, 42)] {
      let objective = try Objective(
        ResNet(depth: 20, classes: 10, synchronizesBatchNormalization: isSynchronized), loss: .crossEntropy,
        inputShape: [3, 32, 32], target: .classes(10))
      let plans = try [1, 2].map { batch in
        isSynchronized || batch > 1 ? try objective.trainingPlan(batch: batch) : nil
      }
      for plan in plans.compactMap({ $0 }) { #expect(plan.synchronizations.count == count) }
      #expect(try objective.outputPlan(batch: 1).synchronizations.isEmpty)
    }
  }

  @Test func theConfigurationReachesEveryModelThatNormalizesBatches() throws {
    for model in [
      "name: resnet20", "name: vgg-small",
      "layers: [{type: batchNormalization}, {type: flatten}, {type: dense}]",
    ] {
      for isSynchronized in [false, true] {
        let text = """
          data: {name: shapes}
          model: {\(model), synchronizedBatchNorm: \(isSynchronized)}
          """
        let configuration = try RunConfiguration.parse(text, file: "run.yaml", overrides: [])
        let form = SampleForm(inputShape: [3, 32, 32], target: .classes(10))
        let plan = try Objective(
          configuration.makeModel(for: form), loss: .crossEntropy, inputShape: [3, 32, 32],
          target: .classes(10)
        ).trainingPlan(batch: 2)
        #expect(plan.synchronizations.isEmpty == !isSynchronized, "\(model)")
      }
    }
    #expect(throws: ConfigurationError.self) {
      try RunConfiguration.parse(
        "data: {name: digits}\nmodel: {name: mlp, synchronizedBatchNorm: true}", file: "run.yaml",
        overrides: [])
    }
  }
}
