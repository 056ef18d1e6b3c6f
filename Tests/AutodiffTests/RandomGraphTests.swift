// Graphs that nobody would write: places that are reused, fused products and shared tensors must never change a
// result, and gradients must fit differences.

import TensorCore
import Testing

import Autodiff

@Suite struct RandomGraphTests {
  /// A graph of random operations over [4, 6] tensors, some read often, some once, some long after they were made.
  private func graph(_ seed: UInt64) throws -> (graph: Graph, loss: Node, outputs: [Plan.Output]) {
    var draw = Draw(seed, "graph")
    var graph = Graph()
    var nodes = [graph.input([4, 6])]
    var squares: [Node] = []
    var rows: [Node] = []
    for index in 0..<2 {
      squares.append(try graph.parameter("square\(index)", [6, 6]))
      rows.append(try graph.parameter("row\(index)", [6]))
      nodes.append(try graph.parameter("full\(index)", [4, 6]))
    }
    var unused = Set(nodes.map(\.index))
    func pick() -> Node {
      let recent = draw.integer(below: 2) == 0
      let index =
        recent ? nodes.count - 1 - draw.integer(below: min(3, nodes.count)) : draw.integer(below: nodes.count)
      unused.remove(nodes[index].index)
      return nodes[index]
    }
    for step in 0..<24 {
      let node: Node
      let choice = step < 2 ? 6 : draw.integer(below: 12)
      switch choice {
      case 0, 1: node = graph.activation(Activation.allCases[draw.integer(below: 2)], pick())
      case 2: node = try graph.add(pick(), pick())
      case 3: node = try graph.multiply(pick(), graph.activation(.tanh, pick()))
      case 4: node = graph.scale(pick(), by: draw.next())
      case 5: node = try graph.softmax(pick())
      case 6, 7:
        var y = try graph.matrixProduct(pick(), squares[step % 2], transposeB: draw.integer(below: 2) == 0)
        y = try graph.add(graph.scale(y, by: 1), rows[step % 2])
        node = graph.activation(.sigmoid, y)
      case 8:
        let y = try graph.add(
          graph.matrixProduct(pick(), squares[draw.integer(below: 2)]), rows[draw.integer(below: 2)])
        node = draw.integer(below: 2) == 0 ? y : graph.activation(.tanh, y)
      case 9: node = try graph.reshape(graph.activation(.tanh, graph.reshape(pick(), [6, 4])), [4, 6])
      case 10: node = try graph.broadcast(graph.mean(pick(), axis: 0), axis: 0, count: 4)
      default: node = try graph.broadcast(graph.mean(pick(), axis: 1), axis: 1, count: 6)
      }
      nodes.append(node)
      unused.insert(node.index)
    }
    var total = nodes[nodes.count - 1]
    for index in unused.sorted() where index != total.index { total = try graph.add(total, Node(index)) }
    let loss = try graph.squaredLoss(graph.activation(.tanh, total), graph.target([4, 6]))
    let outputs: [Plan.Output] =
      seed % 3 == 0 ? [] : [.result(nodes[nodes.count - 2], offset: 0), .result(nodes[9], offset: 32)]
    return (graph, loss, outputs)
  }

  private func run<Kernels: KernelSet>(_ seed: UInt64, keeps: Bool, _: Kernels.Type) throws -> Machine<
    Kernels
  > {
    let (graph, loss, outputs) = try graph(seed)
    let machine = Machine<Kernels>(
      try Plan.training(graph, batch: 4, loss: loss, outputs: outputs, keepsActivations: keeps))
    machine.setAll(seed: seed, scale: 0.7)
    machine.inputs = Draw(seed, "input").values(24).map { Kernels.Scalar($0) }
    machine.targets = Draw(seed, "target").values(24).map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  @Test(arguments: 0..<150) func reusedPlacesNeverChangeAResult(_ seed: Int) throws {
    func check<Kernels: KernelSet>(_ kernels: Kernels.Type) throws {
      let reused = try run(UInt64(seed), keeps: false, kernels)
      let kept = try run(UInt64(seed), keeps: true, kernels)
      #expect(reused.plan.activationCount < kept.plan.activationCount)
      #expect(reused.allGradients == kept.allGradients)
      #expect(reused.allGradients.allSatisfy { $0.isFinite })
      #expect(reused.rider(.loss) == kept.rider(.loss))
      for offset in [0, 32] where reused.plan.resultCount > 0 {
        let range = offset..<offset + 24
        #expect(reused.results.buffer(range).elementsEqual(kept.results.buffer(range)))
      }
    }
    try check(Doubles.self)
    try check(FloatKernels.self)
  }

  @Test(arguments: 0..<40) func gradientsOfRandomGraphsEqualCentralDifferences(_ seed: Int) throws {
    let machine = try run(UInt64(seed), keeps: false, Doubles.self)
    let gradient = Array(machine.gradients.buffer)
    let point = Array(machine.parameters.buffer)
    let direction = Draw(77).values(point.count)
    let used = machine.plan.layout.entries.flatMap { Array($0.range) }
    let step = 1e-5
    let losses = [step, -step].map { step in
      for index in used { machine.parameters.base[index] = point[index] + step * direction[index] }
      machine.run()
      return machine.rider(.loss)
    }
    let difference = (losses[0] - losses[1]) / (2 * step)
    let terms = used.map { gradient[$0] * direction[$0] }
    let magnitude = terms.reduce(0) { $0 + abs($1) }
    #expect(abs(difference - terms.reduce(0, +)) < 1e-6 * max(magnitude, 1e-3))
  }

  @Test(arguments: 0..<40) func prefixesOfRandomGraphsAreComplete(_ seed: Int) throws {
    let machine = try run(UInt64(seed), keeps: false, FloatKernels.self)
    let final = machine.gradients.buffer.map(\.bitPattern)
    machine.poison()
    var last = 0
    machine.run { prefix in
      #expect(prefix >= last)
      last = prefix
      for entry in machine.plan.layout.entries where entry.range.upperBound <= prefix {
        #expect(entry.range.allSatisfy { machine.gradients.base[$0].bitPattern == final[$0] })
      }
    }
    #expect(last == machine.plan.layout.count)
  }
}
