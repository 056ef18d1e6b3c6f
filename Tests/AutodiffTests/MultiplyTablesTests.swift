// Products of embeddings that become products of tables: the same numbers, and gradients that central differences
// confirm.

import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct MultiplyTablesTests {
  /// What lies between the embedding of [3, 10] tokens and the product with a weight.
  enum Path: CaseIterable {
    case straight, turned, turnedTwice, split

    func callAsFunction(_ x: Node, in graph: inout Graph) throws -> Node {
      switch self {
      case .straight: return try graph.reshape(x, [30, 6])
      case .turned: return try graph.reshape(graph.transpose(x, 0, 1), [30, 6])
      case .turnedTwice:
        let turned = try graph.transpose(graph.reshape(x, [3, 5, 2, 6]), 0, 2)
        return try graph.reshape(graph.transpose(turned, 0, 1), [30, 6])
      // Rows do not stay whole.
      case .split: return try graph.reshape(graph.transpose(graph.reshape(x, [3, 10, 2, 3]), 1, 2), [30, 6])
      }
    }
  }

  /// Σ tanh(rows · weight + bias) ⊙ target, and the rows' sums as a result.
  ///
  /// - Parameter isWhole: whether the product sees nothing but the embedding; a scale by one hides it.
  private func plan(
    _ path: Path, vocabulary: Int = 20, transposeB: Bool = true, addsBias: Bool = true, isWhole: Bool = true
  ) throws -> Plan {
    var graph = Graph()
    let table = try graph.parameter("table", [vocabulary, 6])
    var x = try path(graph.embedding(graph.input([3, 10]), table), in: &graph)
    if !isWhole { x = graph.scale(x, by: 1) }
    let weight = try graph.parameter("weight", transposeB ? [7, 6] : [6, 7])
    var y = try graph.matrixProduct(x, weight, transposeB: transposeB)
    if addsBias {
      let (first, second) = (try graph.parameter("b1", [7]), try graph.parameter("b2", [7]))
      y = try graph.add(y, graph.add(first, second))
    }
    let weighted = try graph.multiply(graph.activation(.tanh, y), graph.target([30, 7]))
    let loss = try graph.sum(weighted)
    return try Plan.training(graph, batch: 3, loss: loss, outputs: [.result(y, offset: 0)])
  }

  private func run<Kernels>(_ plan: Plan) -> Machine<Kernels> {
    let machine = Machine<Kernels>(plan)
    machine.setAll(seed: 5)
    var draw = Draw(11)
    machine.inputs = (0..<30).map { _ in Kernels.Scalar(draw.integer(below: 20)) }
    machine.targets = Draw(12).values(210).map { Kernels.Scalar($0) }
    machine.poison()
    machine.run()
    return machine
  }

  private func productRows(_ plan: Plan) -> [Int] { plan.instructions.compactMap { $0.matrixForm?.rows } }

  /// In double precision, where the order of sums does not matter.
  @Test(arguments: Path.allCases, [false, true])
  func resultsAndGradientsAreThoseOfTheProductOfRows(_ path: Path, _ transposeB: Bool) throws {
    for addsBias in [false, true] {
      let plans = try [true, false].map {
        try plan(path, transposeB: transposeB, addsBias: addsBias, isWhole: $0)
      }
      #expect(productRows(plans[0]).contains(20) == (path != .split))
      #expect(productRows(plans[0]).contains(30) == (path == .split))
      #expect(!productRows(plans[1]).contains(20))
      let machines: [Machine<Doubles>] = plans.map { run($0) }
      #expect(machines[0].rider(.loss) != 0)
      let results = machines.map { $0.results.buffer.prefix(210) }
      #expect(zip(results[0], results[1]).allSatisfy { abs($0 - $1) < 1e-13 })
      for name in ["table", "weight"] + (addsBias ? ["b1", "b2"] : []) {
        let (own, rows) = (machines[0].gradient(name), machines[1].gradient(name))
        #expect(zip(own, rows).allSatisfy { abs($0 - $1) < 1e-12 } && own.contains { $0 != 0 }, "\(name)")
      }
      let single: Machine<FloatKernels> = run(plans[0])
      for name in ["table", "weight"] {
        #expect(
          zip(single.gradient(name), machines[1].gradient(name)).allSatisfy {
            abs(Double($0) - $1) < 1e-5 * max(1, abs($1))
          })
      }
    }
  }

  /// Central differences through the rewritten product.
  @Test func gradientsAreTheSlopesOfTheLoss() throws {
    let machine: Machine<Doubles> = run(try plan(.turned))
    let gradients = ["table", "weight", "b1"].map { ($0, machine.gradient($0)) }
    for (name, gradient) in gradients {
      let base = Draw(5, name).values(gradient.count)
      let direction = Draw(99, name).values(gradient.count)
      let step = 1e-5
      let ends = [step, -step].map { step in
        machine.set(name, zip(base, direction).map { $0 + step * $1 })
        machine.run()
        return machine.rider(.loss)
      }
      machine.set(name, base)
      let slope = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs((ends[0] - ends[1]) / (2 * step) - slope) < 1e-8 * max(1, abs(slope)), "\(name)")
    }
  }

  /// A sample takes 10 rows: larger tables than 20 rows are left alone, whatever the batch.
  @Test func theModelAloneDecides() throws {
    #expect(productRows(try plan(.turned, vocabulary: 20)).contains(20))
    #expect(!productRows(try plan(.turned, vocabulary: 21)).contains(21))
    for batch in [1, 2, 50] {
      let objective = try Objective(
        RecurrentLanguageModel(vocabulary: 12, cell: .gru, width: 8), loss: .crossEntropy, inputShape: [6],
        target: .classes(12, perSample: 6))
      let training = try objective.trainingPlan(batch: batch)
      #expect(productRows(training).contains(12))
      #expect(training.layout == objective.layout)
    }
  }

  /// Of a table that is used a second time, both uses are seen by its gradient.
  @Test func aTableMayBeUsedTwice() throws {
    let gradients = try [true, false].map { isWhole in
      var graph = Graph()
      let table = try graph.parameter("table", [5, 6])
      var x = try graph.reshape(graph.embedding(graph.input([2, 4]), table), [8, 6])
      if !isWhole { x = graph.scale(x, by: 1) }
      let y = try graph.matrixProduct(x, table, transposeB: true)
      let z = try graph.sum(graph.multiply(x, x))
      let loss = try graph.add(graph.sum(graph.activation(.tanh, y)), z)
      let machine = Machine<Doubles>(try Plan.training(graph, batch: 2, loss: loss, outputs: []))
      machine.setAll(seed: 2)
      machine.inputs = [0, 3, 1, 1, 4, 3, 3, 0]
      machine.poison()
      machine.run()
      return machine.gradient("table")
    }
    #expect(zip(gradients[0], gradients[1]).allSatisfy { abs($0 - $1) < 1e-12 })
  }
}
