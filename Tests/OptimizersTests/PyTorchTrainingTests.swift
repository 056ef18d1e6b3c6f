// Whole runs against PyTorch's: twenty steps with every optimizer (Tests/Fixtures/optimizers.json), where
// Tests/Fixtures/README.md says whence the tolerances come. Whole models are in TrainingTests.

import FixtureSupport
import Layers
import TensorCore
import Testing

import Optimizers

@Suite struct PyTorchTrainingTests {
  @Test func everyOptionIsAmongTheRuns() throws {
    let runs = try Fixture.optimizers().runs
    #expect(runs.count == 32)
    #expect(
      Set(runs.map(\.optimizer.kind)) == [.sgd, .adam, .adamW, .rmsprop, .adagrad, .lars, .lamb, .lion])
    #expect(Set(runs.map(\.schedule.kind)) == [.constant, .step, .warmupCosine, .oneCycle])
    #expect(runs.contains { $0.groups != nil } && runs.contains { $0.averageDecay != nil && $0.l1 != nil })
    #expect(runs.contains { $0.clipNorm != nil } && runs.contains { $0.optimizer.nesterov == true })
  }

  @Test(arguments: try Fixture.optimizers().runs)
  func twentyStepsFollowPyTorch(_ run: OptimizersFixture.Run) throws {
    let fixture = try Fixture.optimizers()
    let batch = try #require(fixture.batches.first?.labels.count)
    let outputs = try #require(run.sizes.last)
    let usesLabels = run.loss == .crossEntropy
    let objective = try Objective(
      MultilayerPerceptron(
        widths: run.sizes, activation: try #require(Activation(rawValue: run.activation.rawValue))),
      loss: usesLabels ? .crossEntropy : .meanSquaredError, inputShape: [run.sizes[0]],
      target: usesLabels ? .classes(outputs) : .values(outputs))
    let trainer = try Trainer(
      objective,
      Optimizer(run), batch: batch)
    for (name, tensor) in fixture.initialParameters { try trainer.set(name, tensor.values) }
    #expect(fixture.batches.count == run.losses.count)
    for (step, batch) in fixture.batches.enumerated() {
      let result = trainer.train(
        batch.inputs.values, targets: batch.targets.values, labels: batch.labels.map(Int32.init))
      let expected = Double(run.losses[step])
      #expect(abs(result.loss - expected) <= 1e-5 * expected, "step \(step)")
      // What is frozen has a gradient there, and none here.
      guard run.groups == nil else { continue }
      #expect(abs(result.norm - run.gradientNorms[step]) <= 1e-5 * run.gradientNorms[step], "step \(step)")
    }
    trainer.state.swapAverage(with: trainer.parameters.base)
    for (name, tensor) in run.finalParameters {
      for (value, expected) in zip(try trainer.values(name), tensor.values) {
        #expect(abs(value - expected) <= 1e-5, "\(name)")
      }
    }
  }
}
