// Every loss and its gradient against PyTorch's, from Tests/Fixtures/losses.json
// (scripts/fixtures/losses.py): as operations of a graph, and as a user chooses them, through `Loss` and
// `Target`.

import FixtureSupport
import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct PyTorchLossTests {
  typealias Case = LossesFixture.Case

  @Test func everyLossIsAmongTheCases() throws {
    let cases = try Fixture.losses().cases
    #expect(Set(cases.map(\.loss)) == Set(Loss.Kind.allCases.map(\.rawValue)))
    for kind in Loss.Kind.allCases {
      #expect(cases.contains { $0.loss == kind.rawValue && $0.weights != nil }, "\(kind)")
    }
    let logits = cases.filter { $0.loss == "crossEntropy" }
    #expect(logits.contains { $0.smoothing != 0 && $0.labels != nil && $0.rowsPerSample != nil })
    #expect(logits.contains { $0.smoothing != 0 && $0.target != nil && $0.weights != nil })
    #expect(Set(cases.compactMap(\.delta)) == [0.7, 1])
  }

  /// Ours and PyTorch's single precision may each be off by about `roundingError`, relative to max(1, |value|);
  /// 5e-7 more (4 ulp) is for the vectorized exponential and logarithm, of which PyTorch has its own.
  @Test(arguments: try Fixture.losses().cases)
  func singlePrecisionAgrees(_ test: Case) throws {
    let machine: Machine<FloatKernels> = try run(test)
    compare(machine, test, tolerance: 2 * test.roundingError + 5e-7)
  }

  /// In double precision only PyTorch's rounding is left, so that a rule that is nearly right shows.
  @Test(arguments: try Fixture.losses().cases)
  func doublePrecisionAgreesWithinPyTorchsOwnRounding(_ test: Case) throws {
    let machine: Machine<Doubles> = try run(test)
    compare(machine, test, tolerance: 1.1 * test.roundingError + 1e-15)
  }

  private func run<Kernels>(_ test: Case) throws -> Machine<Kernels> {
    let shape = Shape(test.prediction.shape)
    let perSample = test.rowsPerSample ?? 1
    let batch = shape[0] / perSample
    var graph = Graph()
    let prediction = try graph.parameter("prediction", shape)
    var rows: Node
    switch (test.loss, test.labels) {
    case ("crossEntropy", .some):
      rows = try graph.crossEntropy(
        prediction, graph.labels(batch: shape[0]), smoothing: #require(test.smoothing))
    case ("crossEntropy", nil):
      rows = try graph.crossEntropy(
        prediction, probabilities: graph.target(shape), smoothing: #require(test.smoothing))
    default: rows = try graph.valueLoss(kind(test), prediction, graph.target(shape))
    }
    let outputs = [Plan.Output.result(rows, offset: 0)]
    if perSample > 1 { rows = try graph.mean(graph.reshape(rows, [batch, perSample]), axis: 1) }
    if test.weights != nil { rows = try graph.multiply(rows, graph.weights(batch: batch)) }
    let loss = try graph.sum(rows)
    let machine = Machine<Kernels>(try Plan.training(graph, batch: batch, loss: loss, outputs: outputs))
    func numbers(_ tensor: FixtureTensor?) -> [Kernels.Scalar] {
      (tensor?.values ?? []).map { Kernels.Scalar($0) }
    }
    machine.set("prediction", numbers(test.prediction))
    machine.targets = numbers(test.target)
    machine.weights = numbers(test.weights)
    machine.labels = (test.labels ?? []).map(Int32.init)
    machine.poison()
    machine.run()
    return machine
  }

  private func kind(_ test: Case) throws -> ValueLoss {
    switch test.loss {
    case "meanSquaredError": .squared
    case "meanAbsoluteError": .absolute
    case "binaryCrossEntropy": .binaryCrossEntropy
    default: .huber(delta: try #require(test.delta))
    }
  }

  private func compare<Kernels>(_ machine: Machine<Kernels>, _ test: Case, tolerance: Double) {
    func check(_ name: String, _ values: [Kernels.Scalar], _ expected: FixtureTensor) {
      #expect(values.count == expected.values.count, "\(test), \(name)")
      for (value, expected) in zip(values, expected.values) {
        let distance = abs(Double(value) - Double(expected)) / max(1, abs(Double(expected)))
        #expect(distance <= tolerance, "\(test), \(name): \(value), PyTorch gives \(expected)")
      }
    }
    check("rows", Array(machine.results.buffer.prefix(test.rows.values.count)), test.rows)
    check("sum", [machine.rider(.loss)], test.sum)
    check("gradient", machine.gradient("prediction"), test.gradient)
    #expect(machine.rider(.faults) == 0)
  }

  /// What comes in is the prediction.
  private struct Identity: Layer {
    func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node { x }
  }

  /// The sum of a user's loss over the samples, where nothing is left to choose but what `Loss` offers.
  @Test(arguments: try Fixture.losses().cases)
  func aUsersLossIsPyTorchs(_ test: Case) throws {
    let (rows, columns) = (test.prediction.shape[0], test.prediction.shape[1])
    let perSample = test.rowsPerSample ?? 1
    let batch = rows / perSample
    let target: Target =
      if test.labels != nil {
        .classes(columns, perSample: perSample)
      } else if test.loss == "crossEntropy" { .probabilities(columns) } else { .values(columns) }
    let loss = Loss(
      try #require(Loss.Kind(rawValue: test.loss)), labelSmoothing: test.smoothing ?? 0,
      delta: test.delta ?? 1)
    let objective = try Objective(
      Identity(), loss: loss, inputShape: perSample > 1 ? [perSample, columns] : [columns], target: target,
      isWeighted: test.weights != nil)
    let machine = Machine<FloatKernels>(
      try objective.evaluationPlan(batch: batch, target: target, isWeighted: test.weights != nil))
    machine.inputs = test.prediction.values
    machine.targets = test.target?.values ?? []
    machine.weights = test.weights?.values ?? []
    machine.labels = (test.labels ?? []).map(Int32.init)
    machine.poison()
    machine.run()
    let expected = Double(try #require(test.sum.values.first))
    #expect(
      abs(Double(machine.rider(.loss)) - expected)
        <= (2 * test.roundingError + 5e-7) * max(1, abs(expected)))
  }
}
