// Sums that move into what they follow: another gradient into that of a normalization. What is asked for separately stays, and gives the same.

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

  @Test func aNormalizationsGradientTakesTheResidualsGradientUp() throws {
    let forms = try plan().instructions.compactMap { instruction -> NormalizationForm? in
      if case .rowNormalizationInputGradient(let form) = instruction.operation { form } else { nil }
    }
    #expect(forms.map(\.addsGradient) == [true])
  }
}
