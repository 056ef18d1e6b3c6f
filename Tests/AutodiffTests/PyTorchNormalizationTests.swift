// Batch normalization against PyTorch's, from Tests/Fixtures/normalization.json
// (scripts/fixtures/normalization.py).

import FixtureSupport
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchNormalizationTests {
  typealias Case = NormalizationFixture.Case

  @Test func vectorsSequencesAndImagesAreThere() throws {
    #expect(Set(try Fixture.normalization().cases.map { $0.output.shape.count }) == [2, 3, 4])
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`, relative to max(1, |value|).
  @Test(arguments: try Fixture.normalization().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    try check(test, FloatKernels.self, tolerance: 3 * test.roundingError + 1e-6)
  }

  @Test(arguments: try Fixture.normalization().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    try check(test, Doubles.self, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func check<Kernels: KernelSet>(_ test: Case, _: Kernels.Type, tolerance: Double) throws
  where Kernels.Scalar: AdditiveArithmetic {
    let training: Machine<Kernels> = try machine(test, isFrozen: false)
    training.set("running_var", test.weight.values.map { _ in 1 })
    for (step, input) in test.inputs.enumerated() {
      training.set("x", input.values.map { Kernels.Scalar($0) })
      training.poison()
      training.run()
      if step == 0 { compare(training, test.output, test.gradients, "training") }
      follow(training, "running_mean", test.momentum)
      follow(training, "running_var", test.momentum)
    }
    for (name, expected) in [("running_mean", test.runningMean), ("running_var", test.runningVariance)] {
      #expect(largestDistance(training.values(name), expected) <= tolerance, "\(test), \(name)")
    }

    // With the running statistics as constants.
    let frozen: Machine<Kernels> = try machine(test, isFrozen: true)
    frozen.set("x", test.inputs[0].values.map { Kernels.Scalar($0) })
    frozen.set("running_mean", test.runningMean.values.map { Kernels.Scalar($0) })
    frozen.set("running_var", test.runningVariance.values.map { Kernels.Scalar($0) })
    frozen.poison()
    frozen.run()
    compare(frozen, test.evaluationOutput, test.evaluationGradients, "evaluation")

    func compare(
      _ machine: Machine<Kernels>, _ output: FixtureTensor, _ gradients: [String: FixtureTensor],
      _ mode: String
    ) {
      let values = Array(machine.results.buffer.prefix(output.values.count))
      #expect(largestDistance(values, output) <= tolerance, "\(test), \(mode), output")
      #expect(gradients.count == 3)
      for (name, expected) in gradients {
        #expect(largestDistance(machine.gradient(name), expected) <= tolerance, "\(test), \(mode), \(name)")
      }
      #expect(machine.rider(.faults) == 0)
    }
  }

  private func machine<Kernels>(_ test: Case, isFrozen: Bool) throws -> Machine<Kernels> {
    var graph = Graph()
    let y = try graph.batchNormalization(
      graph.parameter("x", Shape(test.output.shape)), epsilon: test.epsilon, momentum: test.momentum,
      isFrozen: isFrozen)
    // The gradient of Σ y · g with respect to y is g.
    let loss = try graph.sum(graph.multiply(y, graph.target(graph.shape(of: y))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(y, offset: 0)]))
    machine.set("weight", test.weight.values.map { Kernels.Scalar($0) })
    machine.set("bias", test.bias.values.map { Kernels.Scalar($0) })
    machine.targets = test.outputGradient.values.map { Kernels.Scalar($0) }
    return machine
  }

  /// What the averaging does with one shard's statistic.
  private func follow<Kernels>(_ machine: Machine<Kernels>, _ name: String, _ momentum: Double) {
    let pairs = zip(machine.values(name), machine.statistic(name))
    machine.set(name, pairs.map { $0 + Kernels.Scalar(momentum) * ($1 - $0) })
  }
}

extension Machine {
  /// A parameter or a buffer, as it is now.
  fileprivate func values(_ name: String) -> [Scalar] {
    plan.layout.allEntries.filter { $0.name == name }.flatMap { $0.range.map { parameters.base[$0] } }
  }
}
