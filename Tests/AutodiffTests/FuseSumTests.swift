// Sums that move into what they follow: a residual into a matrix product, another gradient into that of a
// normalization. What is asked for separately stays, and gives the same.

import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct FuseSumTests {
  private func plan(
    batch: Int = 6, outputs: (inout Graph, [String: Node]) -> [Plan.Output] = { _, _ in [] }
  ) throws -> Plan {
    var graph = Graph()
    let x = try graph.matrixProduct(graph.input([batch, 7]), graph.parameter("in", [7, 5]))
    let normalized = try graph.layerNormalization(
      x, weight: graph.parameter("w", [5]), bias: graph.parameter("b", [5]), epsilon: 0.1)
    let product = try graph.matrixProduct(normalized, graph.parameter("m", [5, 5]))
    let mapped = try graph.add(product, graph.parameter("c", [5]))
    let shaped = try graph.reshape(mapped, [batch / 2, 2, 5])
    let sum = try graph.add(graph.reshape(x, [batch / 2, 2, 5]), shaped)
    let y = try graph.reshape(sum, [batch, 5])
    let loss = try graph.squaredLoss(y, graph.target([batch, 5]))
    let wanted = outputs(&graph, ["mapped": mapped, "y": y])
    return try Plan.training(graph, batch: batch, loss: loss, outputs: wanted)
  }

  private func machine<Kernels: KernelSet>(_ plan: Plan, _: Kernels.Type) -> Machine<Kernels> {
    let machine = Machine<Kernels>(plan)
    machine.setAll(seed: 3)
    machine.inputs = Draw(1).values(42).map { Kernels.Scalar($0) }
    machine.targets = Draw(2).values(30).map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func epilogues(_ plan: Plan) -> [Autodiff.Operation.Epilogue] {
    plan.instructions.compactMap {
      if case .matrixProduct(_, _, let epilogue) = $0.operation { epilogue } else { nil }
    }
  }

  @Test func aResidualIsAddedByTheProductBehindIt() throws {
    let fused = epilogues(try plan())
    #expect(fused.filter(\.addsResidual).map(\.addsBias) == [true])
    #expect(!(try plan()).instructions.contains { $0.operation == .add })
  }

  @Test func aNormalizationsGradientTakesTheResidualsGradientUp() throws {
    let forms = try plan().instructions.compactMap { instruction -> NormalizationForm? in
      if case .rowNormalizationInputGradient(let form) = instruction.operation { form } else { nil }
    }
    #expect(forms.map(\.addsGradient) == [true])
  }

  @Test func whatIsAskedForIsNotFusedAwayAndTheResultsAreTheSame() throws {
    func check<Kernels: KernelSet>(_ kernels: Kernels.Type, within tolerance: Kernels.Scalar) throws {
      let fused = machine(try plan { _, nodes in [.result(nodes["y"]!, offset: 0)] }, kernels)
      let parts = machine(
        try plan { _, nodes in [.result(nodes["y"]!, offset: 0), .result(nodes["mapped"]!, offset: 32)] },
        kernels)
      #expect(epilogues(parts.plan).allSatisfy { !$0.addsResidual })
      #expect(parts.plan.instructions.contains { $0.operation == .add })
      for (a, b) in zip(fused.allGradients, parts.allGradients) {
        #expect(abs(a - b) <= tolerance * (1 + abs(b)))
      }
      for index in 0..<30 { #expect(abs(fused.results.base[index] - parts.results.base[index]) <= tolerance) }
      #expect(parts.results.base[32] != parts.results.base[0])
      #expect(fused.allGradients.contains { abs($0) > 0.1 })
    }
    try check(Doubles.self, within: 1e-13)
    try check(FloatKernels.self, within: 1e-5)
  }

  @Test func aResidualThatIsMadeLaterIsAddedForItself() throws {
    var graph = Graph()
    let x = graph.input([4, 3])
    let product = try graph.matrixProduct(x, graph.parameter("a", [3, 3]))
    let later = graph.activation(.sigmoid, try graph.parameter("b", [4, 3]))
    let loss = try graph.squaredLoss(try graph.add(product, later), graph.target([4, 3]))
    let plan = try Plan.training(graph, batch: 4, loss: loss, outputs: [])
    #expect(epilogues(plan).allSatisfy { !$0.addsResidual })
    #expect(plan.instructions.contains { $0.operation == .add })
  }
}
