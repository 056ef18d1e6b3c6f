// Convolutions and their gradients against PyTorch's, from Tests/Fixtures/convolution.json
// (scripts/fixtures/convolution.py).

import FixtureSupport
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchConvolutionTests {
  typealias Case = ConvolutionFixture.Case

  @Test func bothKindsAreThere() throws {
    let cases = try Fixture.convolution().cases
    #expect(cases.count { $0.operation == .convolution } >= 15)
    #expect(cases.count { $0.operation == .transposedConvolution } >= 7)
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`, relative to max(1, |value|);
  /// a few roundings more where they add up in another order.
  @Test(arguments: try Fixture.convolution().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 3 * test.roundingError + 1e-6)
  }

  @Test(arguments: try Fixture.convolution().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func run<Kernels>(_ test: Case) throws -> Machine<Kernels> {
    var graph = Graph()
    var nodes: [String: Node] = [:]
    for (name, tensor) in test.inputs.sorted(by: { $0.key < $1.key }) {
      nodes[name] = try graph.parameter(name, Shape(tensor.shape))
    }
    let (x, weight) = (try #require(nodes["x"]), try #require(nodes["weight"]))
    let output =
      switch test.operation {
      case .convolution:
        try graph.convolution(
          x, weight, bias: nodes["bias"], stride: size(test.stride), padding: size(test.padding),
          dilation: size(test.dilation), groups: test.groups)
      case .transposedConvolution:
        try graph.transposedConvolution(
          x, weight, bias: nodes["bias"], stride: size(test.stride), padding: size(test.padding),
          outputPadding: size(#require(test.outputPadding)), dilation: size(test.dilation),
          groups: test.groups)
      }
    #expect(graph.shape(of: output).dimensions == test.output.shape)

    // The gradient of Σ output · g with respect to the output is g.
    let loss = try graph.sum(graph.multiply(output, graph.target(graph.shape(of: output))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(output, offset: 0)]))
    for (name, tensor) in test.inputs { machine.set(name, tensor.values.map { Kernels.Scalar($0) }) }
    machine.targets = test.outputGradient.values.map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func size(_ pair: [Int]) -> Size2D { Size2D(height: pair[0], width: pair[1]) }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    func check(_ name: String, _ values: [Kernels.Scalar], _ expected: FixtureTensor) {
      #expect(values.count == expected.values.count, "\(test), \(name)")
      let distance = zip(values, expected.values).reduce(0.0) { worst, pair in
        let distance = abs(Double(pair.0) - Double(pair.1)) / max(1, abs(Double(pair.1)))
        return distance.isNaN ? .infinity : max(worst, distance)
      }
      #expect(distance <= tolerance, "\(test), \(name)")
    }
    check("output", Array(machine.results.buffer.prefix(test.output.values.count)), test.output)
    for (name, expected) in test.gradients { check(name, machine.gradient(name), expected) }
    #expect(machine.rider(.faults) == 0)
  }
}
