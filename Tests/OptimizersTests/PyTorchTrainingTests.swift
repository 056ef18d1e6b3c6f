// Whole runs against PyTorch's: twenty steps with every optimizer (Tests/Fixtures/optimizers.json) and of the
// benchmark models (workloads.json). Tests/Fixtures/README.md says where the tolerances come from.

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

  @Test(arguments: try Fixture.workloads().workloads)
  func theBenchmarkModelsFollowPyTorch(_ workload: WorkloadsFixture.Workload) throws {
    ComputeLibrary.setThreads(1)
    let inputs = workload.inputs.values()
    let labels = workload.labels.values().map(Int32.init)
    #expect(labels.prefix(8).map(Int.init) == workload.labels.first)
    #expect(Array(inputs.prefix(3)) + inputs.suffix(1) == workload.inputs.ends)
    let trainer = try Trainer(
      Objective(
        MultilayerPerceptron(widths: workload.sizes), loss: .crossEntropy, inputShape: [workload.sizes[0]],
        target: .classes(try #require(workload.sizes.last))),
      Optimizer(UpdateRule(workload.optimizer), learningRate: workload.optimizer.learningRate),
      batch: workload.batch)
    for parameter in workload.parameters { try trainer.set(parameter.name, parameter.tensor.values()) }
    let tolerance = workload.name == "mlp-small" ? 1e-5 : 1e-4
    for (step, expected) in workload.losses.enumerated() {
      let first = step % workload.distinctBatches * workload.batch
      let loss = inputs.withUnsafeBufferPointer { inputs in
        labels.withUnsafeBufferPointer { labels -> Double in
          guard let inputs = inputs.baseAddress, let labels = labels.baseAddress else { return .nan }
          return trainer.train(
            inputs + first * workload.sizes[0], targets: nil, labels: labels + first
          ).loss
        }
      }
      #expect(abs(loss - Double(expected)) <= tolerance * Double(expected), "step \(step)")
    }
    for (name, expected) in workload.finalNorms {
      let norm = try trainer.values(name).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(norm - expected) <= tolerance * expected, "\(name)")
    }
  }
}
