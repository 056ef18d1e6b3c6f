// Pooling and its gradients against PyTorch's, from Tests/Fixtures/pooling.json (scripts/fixtures/pooling.py).

import FixtureSupport
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchPoolingTests {
  typealias Case = PoolingFixture.Case

  @Test func everyKindIsThere() throws {
    let cases = try Fixture.pooling().cases
    #expect(cases.count { $0.operation == .maxPooling } >= 10)
    #expect(cases.count { $0.operation == .averagePooling } >= 18)
    #expect(cases.count { $0.operation == .globalAveragePooling } >= 8)
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`, relative to max(1, |value|).
  @Test(arguments: try Fixture.pooling().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 2 * test.roundingError + 1e-7)
  }

  @Test(arguments: try Fixture.pooling().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func run<Kernels>(_ test: Case) throws -> Machine<Kernels> {
    var graph = Graph()
    let input = try #require(test.inputs["x"])
    let x = try graph.parameter("x", Shape(input.shape))
    let output =
      switch test.operation {
      case .maxPooling:
        try graph.maxPooling(
          x, window: size(test.window), stride: size(test.stride), padding: size(test.padding))
      case .averagePooling:
        try graph.averagePooling(
          x, window: size(test.window), stride: size(test.stride), padding: size(test.padding),
          countsPadding: #require(test.countsPadding as Bool?))
      case .globalAveragePooling: try graph.globalAveragePooling(x)
      }
    #expect(graph.shape(of: output).dimensions == test.output.shape)

    // The gradient of Σ output · g with respect to the output is g.
    let loss = try graph.sum(graph.multiply(output, graph.target(graph.shape(of: output))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(output, offset: 0)]))
    machine.set("x", input.values.map { Kernels.Scalar($0) })
    machine.targets = test.outputGradient.values.map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func size(_ pair: [Int]?) throws -> Size2D {
    let pair = try #require(pair)
    return Size2D(height: pair[0], width: pair[1])
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    let output = Array(machine.results.buffer.prefix(test.output.values.count))
    #expect(largestDistance(output, test.output) <= tolerance, "\(test), output")
    for (name, expected) in test.gradients {
      #expect(largestDistance(machine.gradient(name), expected) <= tolerance, "\(test), \(name)")
    }
    #expect(machine.rider(.faults) == 0)
  }
}

/// The largest |value − expected| / max(1, |expected|); infinity where a NaN or a value too few is among them.
func largestDistance<Scalar: BinaryFloatingPoint>(_ values: [Scalar], _ expected: FixtureTensor) -> Double {
  guard values.count == expected.values.count else { return .infinity }
  return zip(values, expected.values).reduce(0) { worst, pair in
    let distance = abs(Double(pair.0) - Double(pair.1)) / max(1, abs(Double(pair.1)))
    return distance.isNaN ? .infinity : max(worst, distance)
  }
}
