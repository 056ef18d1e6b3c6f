// Every operation's value and gradients against PyTorch's, from Tests/Fixtures/operations.json
// (scripts/fixtures/operations.py).

import FixtureSupport
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchOperationsTests {
  typealias Case = OperationsFixture.Case

  @Test func everyKindOfCaseIsThere() throws {
    let operations = Set(try Fixture.operations().cases.map(\.operation))
    #expect(
      operations == [
        "linear", "matmul", "sigmoid", "tanh", "relu", "softmax", "add", "multiply", "addRow", "sum", "mean",
        "crossEntropySum", "meanSquaredErrorSum",
      ])
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`, relative to max(1, |value|);
  /// 5e-7 more (4 ulp) is for the vectorized exponential, of which PyTorch has its own.
  @Test(arguments: try Fixture.operations().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 2 * test.roundingError + 5e-7)
  }

  /// In double precision only PyTorch's rounding is left, so that a rule that is nearly right shows.
  @Test(arguments: try Fixture.operations().cases)
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
    func node(_ name: String) throws -> Node { try #require(nodes[name], "\(test) has no \(name)") }

    var output: Node
    var isLoss = false
    switch test.operation {
    case "linear":
      output = try graph.matrixProduct(node("x"), node("weight"), transposeB: true)
      if let bias = nodes["bias"] { output = try graph.add(output, bias) }
    case "matmul":
      output = try graph.matrixProduct(
        node("left"), node("right"), transposeA: #require(test.transposeLeft as Bool?),
        transposeB: #require(test.transposeRight as Bool?))
    case "sigmoid", "tanh", "relu":
      output = graph.activation(try #require(Activation(rawValue: test.operation)), try node("x"))
    case "softmax": output = try graph.softmax(node("x"))
    case "add": output = try graph.add(node("left"), node("right"))
    case "multiply": output = try graph.multiply(node("left"), node("right"))
    case "addRow": output = try graph.add(node("x"), node("row"))
    case "sum", "mean":
      let x = try node("x")
      let rank = graph.shape(of: x).rank
      let axis = test.axis.map { $0 < 0 ? $0 + rank : $0 }
      output =
        switch (test.operation, axis) {
        case ("sum", let axis?): try graph.sum(x, axis: axis)
        case ("sum", nil): try graph.sum(x)
        case (_, let axis?): try graph.mean(x, axis: axis)
        case (_, nil): try graph.mean(x)
        }
    case "crossEntropySum":
      isLoss = true
      output = try graph.sum(
        graph.crossEntropy(node("logits"), graph.labels(batch: #require(test.labels).count)))
    case "meanSquaredErrorSum":
      isLoss = true
      let target = try #require(test.target)
      output = try graph.squaredLoss(node("prediction"), graph.target(Shape(target.shape)))
    default:
      throw UnknownOperation(name: test.operation)
    }

    // The gradient of Σ output · g with respect to the output is g.
    let loss = isLoss ? output : try graph.sum(graph.multiply(output, graph.target(graph.shape(of: output))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(output, offset: 0)]))
    for (name, tensor) in test.inputs { machine.set(name, tensor.values.map { Kernels.Scalar($0) }) }
    machine.targets = (isLoss ? test.target?.values ?? [] : test.outputGradient.values)
      .map { Kernels.Scalar($0) }
    machine.labels = (test.labels ?? []).map(Int32.init)
    machine.poison()
    machine.run()
    return machine
  }

  private struct UnknownOperation: Error {
    let name: String
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    func check(_ name: String, _ values: [Kernels.Scalar], _ expected: FixtureTensor) {
      #expect(values.count == expected.values.count, "\(test), \(name)")
      for (value, expected) in zip(values, expected.values) {
        let distance = abs(Double(value) - Double(expected)) / max(1, abs(Double(expected)))
        #expect(distance <= tolerance, "\(test), \(name): \(value), PyTorch gives \(expected)")
      }
    }
    let count = test.output.values.count
    check("output", Array(machine.results.buffer.prefix(count)), test.output)
    for (name, expected) in test.gradients { check(name, machine.gradient(name), expected) }
    #expect(machine.rider(.faults) == 0)
  }
}
