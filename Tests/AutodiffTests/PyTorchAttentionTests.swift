// The operations and layers of models of sequences against PyTorch's, from Tests/Fixtures/attention.json
// (scripts/fixtures/attention.py).

import FixtureSupport
import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchAttentionTests {
  typealias Case = AttentionFixture.Case
  typealias Model = AttentionFixture.Model

  @Test func everyKindOfCaseIsThere() throws {
    let fixture = try Fixture.attention()
    #expect(
      Set(fixture.cases.map(\.operation)) == [
        "leakyReLU", "gelu", "geluTanh", "silu", "layerNorm", "rmsNorm", "embedding", "attention",
        "multiHeadAttention",
      ])
    #expect(fixture.models.contains { $0.isTied } && fixture.models.contains { $0.padding != nil })
    #expect(fixture.models.contains { $0.indices.shape[1] < $0.context })
  }

  /// As in the tests of the other operations: both sides may be off by their roundings, and by a few ulp of
  /// the exponential; in multi-head attention scores up to 7 and further sums magnify these.
  @Test(arguments: try Fixture.attention().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    let margin = test.operation == "multiHeadAttention" ? 5e-6 : 1e-6
    compare(machine, test, tolerance: 2 * test.roundingError + margin)
  }

  /// GELU's reference goes through `erfc`, which PyTorch's float64 agrees with to 1e-15.
  @Test(arguments: try Fixture.attention().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func run<Kernels>(_ test: Case) throws -> Machine<Kernels> {
    var graph = Graph()
    var data: [Float] = []
    let output = try write(test, in: &graph, data: &data)
    // The gradient of Σ output · g with respect to the output is g.
    let loss = try graph.sum(graph.multiply(output, graph.target(graph.shape(of: output))))
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 1, loss: loss, outputs: [.result(output, offset: 0)]))
    for (name, tensor) in test.inputs {
      machine.set(fullName(name, test), tensor.values.map { Kernels.Scalar($0) })
    }
    machine.targets = test.outputGradient.values.map { Kernels.Scalar($0) }
    machine.inputs = data.map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func fullName(_ name: String, _ test: Case) -> String {
    test.operation == "multiHeadAttention" && name != "x" ? "a.\(name)" : name
  }

  /// - Parameter data: what the plan's input is to hold.
  private func write(_ test: Case, in graph: inout Graph, data: inout [Float]) throws -> Node {
    func parameter(_ name: String) throws -> Node {
      try graph.parameter(name, Shape(#require(test.inputs[name]).shape))
    }
    func mask() -> Node? {
      test.mask.map { mask in
        data = mask.values
        return graph.input(Shape(mask.shape))
      }
    }
    switch test.operation {
    case "layerNorm":
      return try graph.layerNormalization(
        parameter("x"), weight: parameter("weight"), bias: parameter("bias"), epsilon: #require(test.epsilon))
    case "rmsNorm":
      return try graph.rmsNormalization(
        parameter("x"), weight: parameter("weight"), epsilon: #require(test.epsilon))
    case "embedding":
      data = try #require(test.indices).map { Float($0) }
      return try graph.embedding(graph.input([data.count]), parameter("table"))
    case "attention":
      return try graph.attention(
        parameter("x"), heads: #require(test.heads), isCausal: #require(test.isCausal as Bool?), mask: mask())
    case "multiHeadAttention":
      let x = try parameter("x")
      let layer = try MultiHeadAttention(
        "a", graph.shape(of: x)[2], heads: #require(test.heads), isCausal: #require(test.isCausal as Bool?))
      return try layer(x, mask: mask(), in: &graph)
    default:
      return graph.activation(try #require(Activation(rawValue: test.operation)), try parameter("x"))
    }
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    check(
      "\(test), output", Array(machine.results.buffer.prefix(test.output.values.count)), test.output,
      tolerance)
    for (name, expected) in test.gradients {
      check("\(test), \(name)", machine.gradient(fullName(name, test)), expected, tolerance)
    }
    #expect(machine.rider(.faults) == 0)
  }

  private func check<Scalar: BinaryFloatingPoint>(
    _ name: String, _ values: [Scalar], _ expected: FixtureTensor, _ tolerance: Double
  ) {
    #expect(values.count == expected.values.count, "\(name)")
    for (value, expected) in zip(values, expected.values) {
      let distance = abs(Double(value) - Double(expected)) / max(1, abs(Double(expected)))
      #expect(distance <= tolerance, "\(name): \(value), PyTorch gives \(expected)")
    }
  }

  // MARK: Whole models

  @Test(arguments: try Fixture.attention().models)
  func aWholeGPTAgreesInSinglePrecision(_ test: Model) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 4 * test.roundingError + 4e-6)
  }

  @Test(arguments: try Fixture.attention().models)
  func aWholeGPTAgreesInDoublePrecision(_ test: Model) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func run<Kernels>(_ test: Model) throws -> Machine<Kernels> {
    let model = GPT(
      vocabulary: test.vocabulary, context: test.context, width: test.width, layers: test.layers,
      heads: test.heads, tiesWeights: test.isTied, paddingToken: test.padding)
    var graph = Graph()
    let rows = test.labels.count
    let logits = try graph.reshape(
      model(graph.input(Shape(test.indices.shape)), in: &graph), [rows, test.vocabulary])
    let losses = try graph.crossEntropy(logits, graph.labels(batch: rows))
    let loss = graph.scale(try graph.sum(losses), by: 1 / Double(rows))
    // Exactly the parameters of PyTorch's model, of its shapes.
    let shapes = Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape.dimensions) })
    #expect(shapes == test.inputs.mapValues(\.shape))
    let machine = Machine<Kernels>(
      try Plan.training(
        graph, batch: test.indices.shape[0], loss: loss, outputs: [.result(logits, offset: 0)]))
    for (name, tensor) in test.inputs { machine.set(name, tensor.values.map { Kernels.Scalar($0) }) }
    machine.inputs = test.indices.values.map { Kernels.Scalar($0) }
    machine.labels = test.labels.map(Int32.init)
    machine.poison()
    machine.run()
    return machine
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Model, tolerance: Double) {
    check("logits", Array(machine.results.buffer.prefix(test.logits.values.count)), test.logits, tolerance)
    check("loss", [machine.rider(.loss)], test.loss, tolerance)
    for (name, expected) in test.gradients { check(name, machine.gradient(name), expected, tolerance) }
  }
}
