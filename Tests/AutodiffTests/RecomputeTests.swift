// Which results of the forward pass are computed anew in the backward pass, and that nothing else changes by it.

import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct RecomputeTests {
  /// A normalization and an activation, each between products, over [rows, columns].
  private func graph(rows: Int, columns: Int = 16) throws -> (graph: Graph, loss: Node, activated: Node) {
    var graph = Graph()
    let x = try graph.matrixProduct(graph.input([rows, 4]), graph.parameter("in", [4, columns]))
    let normalized = try graph.layerNormalization(
      graph.reshape(x, [rows / 2, 2, columns]), weight: graph.parameter("w", [columns]),
      bias: graph.parameter("b", [columns]))
    let hidden = try graph.matrixProduct(
      graph.reshape(normalized, [rows, columns]), graph.parameter("up", [columns, columns]))
    let activated = graph.activation(.gelu, hidden)
    let y = try graph.matrixProduct(activated, graph.parameter("down", [columns, 3]))
    let loss = try graph.squaredLoss(y, graph.target([rows, 3]))
    return (graph, loss, activated)
  }

  /// The operations in their order, once the graph is differentiated and fused.
  private func operations(
    smallest: Int, asksForActivated: Bool = false
  ) throws -> (all: [Autodiff.Operation], backward: Int) {
    var (graph, loss, activated) = try self.graph(rows: 6)
    let backward = Node(graph.records.count)
    let outputs = try graph.differentiate(loss) + [loss] + (asksForActivated ? [activated] : [])
    graph.fuse(outputs: outputs)
    let numbers = graph.recompute(inBackwardFrom: backward, outputs: outputs, smallest: smallest)
    let order = graph.order(outputs: outputs.map { numbers[$0.index] })
    let start = order.firstIndex { $0.index >= numbers[backward.index].index } ?? order.count
    return (order.map { graph.records[$0.index].operation }, start)
  }

  private func positions(
    _ operations: [Autodiff.Operation], where isWanted: (Autodiff.Operation) -> Bool
  ) -> [Int] {
    operations.indices.filter { isWanted(operations[$0]) }
  }

  private func isNormalization(_ operation: Autodiff.Operation) -> Bool {
    if case .rowNormalization = operation { true } else { false }
  }

  @Test func eachIsComputedAgainInTheBackwardPassBeforeItIsRead() throws {
    let (all, backward) = try operations(smallest: 1)
    for places in [positions(all) { $0 == .activation(.gelu) }, positions(all, where: isNormalization)] {
      #expect(places.count == 2 && places[0] < backward && places[1] > backward)
      // What reads it there is a weight's gradient, which comes next, but for a view.
      let next = all[(places[1] + 1)...].first { if case .view = $0 { false } else { true } }
      #expect(next == .matrixProduct(transposeA: true, transposeB: false, epilogue: .none))
    }
  }

  @Test func smallResultsAndThoseThatAPlanIsAskedForAreKept() throws {
    let large = try operations(smallest: 6 * 16 + 1).all
    #expect(positions(large) { $0 == .activation(.gelu) }.count == 1)
    #expect(positions(large, where: isNormalization).count == 1)
    let asked = try operations(smallest: 1, asksForActivated: true).all
    #expect(positions(asked) { $0 == .activation(.gelu) }.count == 1)
    #expect(positions(asked, where: isNormalization).count == 2)
  }

  @Test func whatIsNotKeptInAnyCaseIsNotKeptForIt() throws {
    // The derivative of tanh is told from its result, so its operand is not kept.
    var graph = Graph()
    let x = try graph.matrixProduct(graph.input([6, 4]), graph.parameter("in", [4, 16]))
    let y = graph.activation(.tanh, graph.scale(x, by: 2))
    let loss = try graph.squaredLoss(
      graph.matrixProduct(y, graph.parameter("down", [16, 3])), graph.target([6, 3]))
    let backward = Node(graph.records.count)
    let outputs = try graph.differentiate(loss) + [loss]
    let before = graph.records.map(\.operation)
    #expect(
      graph.recompute(inBackwardFrom: backward, outputs: outputs, smallest: 1)
        == graph.records.indices.map { Node($0) })
    #expect(graph.records.map(\.operation) == before)
  }

  @Test func theBitsAreThoseOfAPlanThatKeepsAll() throws {
    let rows = 2048
    let (graph, loss, _) = try graph(rows: rows, columns: 256)
    let machines = try [false, true].map { keeps in
      let machine = Machine<FloatKernels>(
        try Plan.training(graph, batch: rows, loss: loss, outputs: [], keepsActivations: keeps))
      machine.setAll(seed: 4, scale: 0.3)
      machine.inputs = Draw(5).values(rows * 4).map { Float($0) }
      machine.targets = Draw(6).values(rows * 3).map { Float($0) }
      machine.poison()
      machine.run()
      return machine
    }
    let counts = machines.map { machine in
      machine.plan.instructions.count { $0.operation == .activation(.gelu) }
    }
    #expect(counts == [2, 1])
    #expect(machines[0].allGradients == machines[1].allGradients)
    #expect(machines[0].allGradients.contains { $0 != 0 } && machines[0].allGradients.allSatisfy(\.isFinite))
    #expect(machines[0].rider(.loss) == machines[1].rider(.loss))
  }
}
