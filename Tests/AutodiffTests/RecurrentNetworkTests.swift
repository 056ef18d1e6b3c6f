// Recurrent networks against PyTorch's, from Tests/Fixtures/recurrent.json (scripts/fixtures/recurrent.py), and what
// they promise besides.

import FixtureSupport
import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct RecurrentNetworkTests {
  typealias Case = RecurrentFixture.Case

  @Test func everyCellIsThereInEveryForm() throws {
    let cases = try Fixture.recurrent().cases
    for cell in RecurrentCell.allCases {
      let own = cases.filter { $0.operation == cell.rawValue }
      #expect(Set(own.map { "\($0.layers) \($0.bidirectional)" }).count == 4)
      #expect(own.contains { !$0.bias })
    }
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`; 1e-6 more is for our exponential
  /// function, whose few ulp pass through several steps and layers.
  @Test(arguments: try Fixture.recurrent().cases)
  func singlePrecisionAgreesWithPyTorch(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 2 * test.roundingError + 1e-6)
  }

  /// In double precision only PyTorch's rounding is left, so that a rule that is nearly right shows.
  @Test(arguments: try Fixture.recurrent().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  @Test func parametersAreThoseOfPyTorchInItsOrder() throws {
    for test in try Fixture.recurrent().cases {
      var graph = Graph()
      let x = try #require(test.inputs["x"])
      _ = try network(test)(graph.input(Shape(x.shape)), in: &graph)
      let expected = test.inputs.filter { $0.key != "x" }.mapValues { Shape($0.shape) }
      let found = graph.parameters.map { (String($0.name.dropFirst("rnn.".count)), $0.shape) }
      #expect(Dictionary(uniqueKeysWithValues: found) == expected, "\(test)")
      #expect(
        graph.parameters.allSatisfy {
          $0.initialValue == .uniform(lower: -1 / Float(6).squareRoot(), upper: 1 / Float(6).squareRoot())
        })
    }
  }

  /// The state behind a direction's last step: of the reversed one that is step 0.
  @Test(arguments: RecurrentCell.allCases, [false, true])
  func theLastStepIsThatOfEachDirection(_ cell: RecurrentCell, _ isBidirectional: Bool) throws {
    func states(_ result: RecurrentNetwork.Result) throws -> [Float] {
      let network = RecurrentNetwork(
        "rnn", cell, 5, 6, layers: 2, isBidirectional: isBidirectional, result: result)
      var graph = Graph()
      let output = try network(graph.parameter("x", [3, 4, 5]), in: &graph)
      let outputs = isBidirectional ? 12 : 6
      #expect(graph.shape(of: output) == (result == .allSteps ? [3, 4, outputs] : [3, outputs]))
      #expect(network.outputs == outputs)
      let loss = try graph.sum(output)
      let machine = Machine<FloatKernels>(
        try Plan.training(graph, batch: 3, loss: loss, outputs: [.result(output, offset: 0)]))
      machine.setAll(seed: 3, scale: 0.5)
      machine.poison()
      machine.run()
      return Array(machine.results.buffer.prefix(graph.shape(of: output).count))
    }
    let (all, last) = (try states(.allSteps), try states(.lastStep))
    let width = isBidirectional ? 12 : 6
    for row in 0..<3 {
      for unit in 0..<width {
        #expect(last[row * width + unit] == all[(row * 4 + (unit < 6 ? 3 : 0)) * width + unit])
      }
    }
  }

  /// The states are a part of a larger result, whose place is taken again once nothing reads it any more.
  @Test(arguments: RecurrentCell.allCases) func statesOutliveTheirPass(_ cell: RecurrentCell) throws {
    var graph = Graph()
    let states = try graph.recurrent(
      cell, graph.parameter("x", [4, 3, cell.gates * 6]), weight: graph.parameter("w", [cell.gates * 6, 6]))
    var other = try graph.sum(states)
    for _ in 0..<3 { other = try graph.sum(graph.broadcast(graph.scale(other, by: 2), axis: 0, count: 2000)) }
    let layout = try Plan.training(graph, batch: 3, loss: other, outputs: []).layout
    let kept = [false, true].map { keepsActivations in
      let machine = Machine<FloatKernels>(
        Plan.forward(
          graph, batch: 3, outputs: [.rider(.loss, other), .result(states, offset: 0)], layout: layout,
          keepsActivations: keepsActivations))
      machine.setAll(seed: 3, scale: 0.5)
      machine.poison()
      machine.run()
      return Array(machine.results.buffer.prefix(72))
    }
    #expect(kept[0] == kept[1] && Set(kept[0]).count > 20)
  }

  @Test func dropoutLiesBetweenLayersOnly() throws {
    func drops(_ layers: Int, isTraining: Bool) throws -> Int {
      var graph = Graph(isTraining: isTraining)
      _ = try RecurrentNetwork("rnn", .lstm, 5, 6, layers: layers, dropout: 0.5)(
        graph.input([3, 4, 5]), in: &graph)
      return graph.records.count { if case .dropout = $0.operation { true } else { false } }
    }
    #expect(try [1, 2, 3].map { try drops($0, isTraining: true) } == [0, 1, 2])
    #expect(try drops(3, isTraining: false) == 0)
  }

  @Test func anInputThatDoesNotFitIsNamedWithTheLayer() throws {
    for shape in [[3, 4, 7], [3, 5], [3, 4, 5, 1]] as [Shape] {
      var graph = Graph()
      let x = graph.input(shape)
      let error = #expect(throws: GraphError.self) {
        try RecurrentNetwork("encoder", .gru, 5, 6)(x, in: &graph)
      }
      #expect(error?.diagnosis.place == "encoder")
      #expect(error?.diagnosis.expected == "an input [batch, steps, 5]")
      #expect(error?.diagnosis.found == "\(shape)")
    }
  }

  @Test func sumsWeightsAndBiasesThatDoNotFitAreNamed() throws {
    for (x, weight) in [([4, 3, 24], [24, 5]), ([4, 3, 23], [24, 6]), ([12, 24], [24, 6])] as [(Shape, Shape)]
    {
      var graph = Graph()
      let (x, weight) = (graph.input(x), try graph.parameter("w", weight))
      let error = #expect(throws: GraphError.self) { try graph.recurrent(.lstm, x, weight: weight) }
      #expect(error?.diagnosis.found == "\(graph.shape(of: x)) and \(graph.shape(of: weight))")
    }
    var graph = Graph()
    let (x, weight) = (graph.input([4, 3, 24]), try graph.parameter("w", [24, 6]))
    let bias = try graph.parameter("b", [24])
    #expect(throws: GraphError.self) { try graph.recurrent(.lstm, x, weight: weight, bias: bias) }
  }

  private func network(_ test: Case) throws -> RecurrentNetwork {
    RecurrentNetwork(
      "rnn", try #require(RecurrentCell(rawValue: test.operation)), 5, 6, layers: test.layers,
      isBidirectional: test.bidirectional, usesBias: test.bias)
  }

  private func run<Kernels>(_ test: Case) throws -> Machine<Kernels> {
    var graph = Graph()
    let x = try graph.parameter("x", Shape(#require(test.inputs["x"]).shape))
    let output = try network(test)(x, in: &graph)
    #expect(graph.shape(of: output).dimensions == test.output.shape)
    // The gradient of Σ output · g with respect to the output is g.
    let loss = try graph.sum(graph.multiply(output, graph.target(graph.shape(of: output))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(output, offset: 0)]))
    for (name, tensor) in test.inputs {
      machine.set(name == "x" ? name : "rnn." + name, tensor.values.map { Kernels.Scalar($0) })
    }
    machine.targets = test.outputGradient.values.map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    func check(_ name: String, _ values: [Kernels.Scalar], _ expected: FixtureTensor) {
      #expect(values.count == expected.values.count, "\(test), \(name)")
      for (value, expected) in zip(values, expected.values) {
        let distance = abs(Double(value) - Double(expected)) / max(1, abs(Double(expected)))
        #expect(distance <= tolerance, "\(test), \(name): \(value), PyTorch gives \(expected)")
      }
    }
    check("output", Array(machine.results.buffer.prefix(test.output.values.count)), test.output)
    for (name, expected) in test.gradients {
      check(name, machine.gradient(name == "x" ? name : "rnn." + name), expected)
    }
    #expect(machine.rider(.faults) == 0)
  }
}
