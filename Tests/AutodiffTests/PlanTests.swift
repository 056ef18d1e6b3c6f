// What the passes between a graph and its instructions must keep: fusion, order, places, riders.

import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct PlanTests {
  private func perceptron(_ loss: Loss = .crossEntropy, _ activation: Activation = .tanh) throws -> Objective
  {
    try Objective(
      MultilayerPerceptron(widths: [7, 9, 5, 3], activation: activation), loss: loss, inputShape: [7],
      target: .classes(3))
  }

  private func machine<Kernels>(_ plan: Plan, batch: Int) -> Machine<Kernels> {
    let machine = Machine<Kernels>(plan)
    machine.setAll(seed: 1, scale: 0.6)
    machine.inputs = Draw(2).values(batch * 7).map { Kernels.Scalar($0) }
    machine.labels = Draw(3).labels(batch, classes: 3)
    machine.poison()
    return machine
  }

  private func isFused(_ plan: Plan) -> Bool {
    plan.instructions.contains {
      if case .matrixProduct(_, _, let epilogue) = $0.operation { epilogue.addsBias } else { false }
    }
  }

  // MARK: Fusion

  @Test(arguments: Activation.allCases)
  func withoutABackwardPassEveryActivationIsFused(_ activation: Activation) throws {
    var graph = Graph()
    let product = try graph.matrixProduct(
      graph.input([5, 7]), graph.parameter("w", [4, 7]), transposeB: true)
    let y = graph.activation(activation, try graph.add(product, graph.parameter("b", [4])))
    let layout = VectorLayout([("w", [4, 7]), ("b", [4])])
    let plan = Plan.forward(graph, batch: 5, outputs: [.result(y, offset: 0)], layout: layout)
    #expect(plan.instructions.count == 1)
  }

  @Test(arguments: Activation.allCases)
  func aFusedLayerGivesWhatItsPartsGive(_ activation: Activation) throws {
    func plan(asksForParts: Bool) throws -> Plan {
      var graph = Graph()
      let product = try graph.matrixProduct(
        graph.input([5, 7]), graph.parameter("w", [4, 7]), transposeB: true)
      let sum = try graph.add(product, graph.parameter("b", [4]))
      let y = graph.activation(activation, sum)
      let loss = try graph.squaredLoss(y, graph.target([5, 4]))
      // What is asked for has a place of its own, and cannot be fused away.
      return try Plan.training(
        graph, batch: 5, loss: loss,
        outputs: asksForParts
          ? [.result(product, offset: 32), .result(sum, offset: 64), .result(y, offset: 0)]
          : [.result(y, offset: 0)])
    }
    let plans = [try plan(asksForParts: false), try plan(asksForParts: true)]
    #expect(isFused(plans[0]) && !isFused(plans[1]))
    // An activation whose gradient reads its input cannot be fused into what computes that.
    let fused = activation.gradientReadsInput ? 2 : 3
    #expect(plans[0].instructions.count == plans[1].instructions.count - fused)
    let machines = plans.map { plan in
      let machine: Machine<FloatKernels> = machine(plan, batch: 5)
      machine.targets = Draw(4).values(20).map { Float($0) }
      machine.run()
      return machine
    }
    #expect(machines[0].allGradients == machines[1].allGradients)
    #expect(machines[0].rider(.loss) == machines[1].rider(.loss))
    #expect(machines[0].results.buffer.prefix(20).elementsEqual(machines[1].results.buffer.prefix(20)))
    #expect(machines[0].allGradients.contains { $0 != 0 })
  }

  @Test func whatSomethingElseReadsIsNotFusedAway() throws {
    var graph = Graph()
    let product = try graph.matrixProduct(graph.input([5, 7]), graph.parameter("w", [7, 4]))
    let sum = try graph.add(product, graph.parameter("b", [4]))
    let y = graph.activation(.sigmoid, sum)
    // The product and the sum are read a second time.
    let total = try graph.add(graph.add(graph.multiply(product, y), sum), product)
    let loss = try graph.squaredLoss(total, graph.target([5, 4]))
    let machine: Machine<Doubles> = machine(
      try Plan.training(graph, batch: 5, loss: loss, outputs: [.result(total, offset: 0)]), batch: 5)
    machine.targets = Draw(4).values(20)
    #expect(!isFused(machine.plan))
    machine.run()
    let (w, b) = (Draw(1, "w").values(28).map { $0 * 0.6 }, Draw(1, "b").values(4).map { $0 * 0.6 })
    for row in 0..<5 {
      for column in 0..<4 {
        let p = (0..<7).reduce(0) { $0 + machine.inputs[row * 7 + $1] * w[$1 * 4 + column] }
        let s = p + b[column]
        let expected = p * (ReferenceMath.sigmoid(s)) + s + p
        #expect(abs(machine.results.base[row * 4 + column] - expected) < 1e-12)
      }
    }
  }

  // MARK: Order

  @Test func gradientsBecomeCompleteFromTheLastLayerToTheFirst() throws {
    let names = try perceptron().layout.entries.map(\.name)
    #expect(names == ["4.bias", "4.weight", "2.bias", "2.weight", "0.bias", "0.weight"])
  }

  @Test func theLayoutIsTheSameForEveryBatch() throws {
    let objective = try perceptron()
    for batch in [1, 2, 7, 64] {
      #expect(try objective.trainingPlan(batch: batch).layout == objective.layout)
    }
  }

  @Test(arguments: [1, 7]) func thePrefixThatIsCalledCompleteIsComplete(_ batch: Int) throws {
    let objective = try perceptron()
    let machine: Machine<FloatKernels> = machine(try objective.trainingPlan(batch: batch), batch: batch)
    machine.run()
    let final = machine.gradients.buffer.map(\.bitPattern)
    machine.poison()
    var (last, lengths) = (0, Set<Int>())
    machine.run { prefix in
      #expect(prefix >= last, "the prefix only grows")
      last = prefix
      lengths.insert(prefix)
      for entry in machine.plan.layout.entries where entry.range.upperBound <= prefix {
        #expect(entry.range.allSatisfy { machine.gradients.base[$0].bitPattern == final[$0] })
      }
      #expect(
        prefix == machine.plan.layout.count || machine.plan.layout.entries.contains { $0.offset == prefix })
    }
    #expect(last == machine.plan.layout.count)
    // Each parameter is announced as soon as it is complete, not all of them at the end.
    #expect(lengths.count == machine.plan.layout.entries.count + 1)
  }

  @Test func theGapsBetweenGradientsAreLeftAlone() throws {
    let machine: Machine<FloatKernels> = machine(try perceptron().trainingPlan(batch: 3), batch: 3)
    machine.run()
    let used = Set(machine.plan.layout.entries.flatMap { Array($0.range) })
    for index in 0..<machine.plan.layout.count {
      #expect(machine.gradients.base[index].isNaN == !used.contains(index))
    }
  }

  // MARK: Places

  @Test func reusedMemoryIsLessAndGivesTheSame() throws {
    for batch in [1, 7, 64] {
      let objective = try perceptron(.crossEntropy, .relu)
      let plans = [false, true].map { keeps in
        Result { try objective.trainingPlan(batch: batch, keepsActivations: keeps) }
      }
      let machines: [Machine<FloatKernels>] = try plans.map { machine(try $0.get(), batch: batch) }
      for machine in machines { machine.run() }
      #expect(machines[0].plan.activationCount < machines[1].plan.activationCount)
      #expect(machines[0].allGradients == machines[1].allGradients)
      #expect(machines[0].rider(.loss) == machines[1].rider(.loss))
    }
  }

  @Test func keptActivationsCanBeInspected() throws {
    var graph = Graph()
    let hidden = graph.activation(
      .tanh, try graph.matrixProduct(graph.input([5, 7]), graph.parameter("w", [7, 4])))
    let loss = try graph.squaredLoss(hidden, graph.target([5, 4]))
    let plan = try Plan.training(graph, batch: 5, loss: loss, outputs: [], keepsActivations: true)
    let machine: Machine<Doubles> = machine(plan, batch: 5)
    machine.targets = Draw(4).values(20)
    machine.run()
    let slot = try #require(plan.slots[hidden.index])
    #expect(slot.arena == .activations)
    let error = (0..<20).reduce(0.0) { sum, index in
      let difference = machine.activations.base[slot.offset + index] - machine.targets[index]
      return sum + difference * difference / 4
    }
    #expect(abs(error - machine.rider(.loss)) < 1e-12)
  }

  // MARK: Parameters used in unusual ways

  @Test func aSharedParameterGetsTheSumOfItsGradients() throws {
    func gradients(shared: Bool) throws -> [[Double]] {
      var graph = Graph()
      let first = try graph.parameter("first", [7, 7])
      let second = shared ? first : try graph.parameter("second", [7, 7])
      let hidden = graph.activation(.tanh, try graph.matrixProduct(graph.input([5, 7]), first))
      let y = try graph.matrixProduct(hidden, second, transposeB: true)
      let loss = try graph.squaredLoss(y, graph.target([5, 7]))
      let machine: Machine<Doubles> = machine(
        try Plan.training(graph, batch: 5, loss: loss, outputs: []), batch: 5)
      machine.targets = Draw(4).values(35)
      for entry in machine.plan.layout.entries { machine.set(entry.name, Draw(5).values(49)) }
      machine.run()
      #expect(machine.rider(.faults) == 0)
      return machine.plan.layout.entries.map(\.name).sorted().map { machine.gradient($0) }
    }
    let apart = try gradients(shared: false)
    let shared = try gradients(shared: true)
    #expect(shared.count == 1 && apart.count == 2)
    for (sum, parts) in zip(shared[0], zip(apart[0], apart[1])) {
      #expect(abs(sum - (parts.0 + parts.1)) <= 1e-12 * (1 + abs(sum)))
    }
  }

  @Test func aGradientThatIsAReshapeArrivesAndIsChecked() throws {
    var graph = Graph()
    let flat = try graph.parameter("w", [28])
    let y = try graph.matrixProduct(graph.input([5, 7]), graph.reshape(flat, [7, 4]))
    let loss = try graph.squaredLoss(y, graph.target([5, 4]))
    let machine: Machine<Doubles> = machine(
      try Plan.training(graph, batch: 5, loss: loss, outputs: []), batch: 5)
    machine.targets = Draw(4).values(20)
    var last = 0
    machine.run { last = $0 }
    #expect(last == machine.plan.layout.count)
    let w = Draw(1, "w").values(28).map { $0 * 0.6 }
    for k in 0..<7 {
      for column in 0..<4 {
        let expected = (0..<5).reduce(0.0) { sum, row in
          let y = (0..<7).reduce(0) { $0 + machine.inputs[row * 7 + $1] * w[$1 * 4 + column] }
          return sum + machine.inputs[row * 7 + k] * (y - machine.targets[row * 4 + column]) / 2
        }
        #expect(abs(machine.gradient("w")[k * 4 + column] - expected) < 1e-12)
      }
    }
    machine.inputs[0] = .nan
    machine.run()
    #expect(machine.rider(.faults) == 1)
  }

  @Test func twoParametersWithOneGradientBothGetIt() throws {
    var graph = Graph()
    let sum = try graph.add(graph.parameter("a", [3]), graph.parameter("b", [3]))
    let loss = try graph.sum(graph.multiply(sum, graph.target([3])))
    let machine = Machine<Doubles>(try Plan.training(graph, batch: 1, loss: loss, outputs: []))
    machine.targets = [1, -2, 5]
    machine.poison()
    machine.run()
    #expect(machine.gradient("a") == [1, -2, 5])
    #expect(machine.gradient("b") == [1, -2, 5])
  }

  // MARK: Riders

  /// Averaging begins with what is complete: a copy must not wait for the end of the pass.
  @Test func twoParametersWithOneGradientAreCompleteBeforeTheLayersBelow() throws {
    var graph = Graph()
    let below = try graph.matrixProduct(graph.input([4, 3]), graph.parameter("below", [3, 5]))
    let bias = try graph.add(graph.parameter("first", [2]), graph.parameter("second", [2]))
    let y = try graph.add(graph.matrixProduct(below, graph.parameter("above", [5, 2])), bias)
    let loss = try graph.sum(y)
    let plan = try Plan.training(graph, batch: 4, loss: loss, outputs: [])
    #expect(plan.layout.entries.map(\.name) == ["first", "second", "above", "below"])
    #expect(plan.instructions.dropLast().last?.completedPrefix == plan.layout.entries[3].offset)
  }

  @Test func ridersHoldTheSumsOfThePass() throws {
    let objective = try perceptron(.crossEntropy, .relu)
    let training: Machine<FloatKernels> = machine(try objective.trainingPlan(batch: 7), batch: 7)
    let evaluation: Machine<FloatKernels> = machine(
      try objective.evaluationPlan(batch: 7, target: objective.target, isWeighted: false), batch: 7)
    for machine in [training, evaluation] {
      machine.run()
      machine.run()
      #expect(machine.rider(.samples) == 7)
      #expect(machine.rider(.faults) == 0 && machine.rider(.stop) == 0)
    }
    let prediction: Machine<FloatKernels> = machine(try objective.predictionPlan(batch: 7), batch: 7)
    prediction.run()
    var (loss, correct) = (0.0, 0)
    for row in 0..<7 {
      let probabilities = (0..<3).map { Double(prediction.results.base[row * 3 + $0]) }
      #expect(abs(probabilities.reduce(0, +) - 1) < 1e-6)
      let label = Int(training.labels[row])
      loss -= ReferenceMath.log(probabilities[label])
      correct += probabilities.allSatisfy { $0 <= probabilities[label] } ? 1 : 0
    }
    for machine in [training, evaluation] {
      #expect(abs(Double(machine.rider(.loss)) - loss) < 1e-5 * loss)
      #expect(machine.rider(.correct) == Float(correct))
    }
    #expect((1...6).contains(correct), "a count that is not all or none")
  }

  @Test func aGradientThatIsNotFiniteIsCountedAsAFault() throws {
    let machine: Machine<FloatKernels> = machine(try perceptron().trainingPlan(batch: 4), batch: 4)
    machine.inputs[3] = .nan
    machine.run()
    // A NaN in one sample reaches all six parameters' gradients.
    #expect(machine.rider(.faults) == 6)
    machine.inputs[3] = 1e36
    machine.run()
    // Finite activations (tanh saturates), but the first weights' gradient may be too large or zero.
    machine.inputs[3] = 0
    machine.run()
    #expect(machine.rider(.faults) == 0, "faults are counted anew in each pass")
  }

  @Test func aGradientTooLargeToBeSummedIsCountedAsAFault() throws {
    var graph = Graph()
    let a = try graph.parameter("a", [3])
    let loss = try graph.sum(graph.multiply(a, graph.target([3])))
    let machine = Machine<FloatKernels>(try Plan.training(graph, batch: 1, loss: loss, outputs: []))
    for (value, faults) in [(1e30, 0), (1e36, 1), (-1e36, 1), (.infinity, 1), (.nan, 1)] as [(Float, Float)] {
      machine.targets = [1, 1, value]
      machine.run()
      #expect(machine.rider(.faults) == faults, "\(value)")
    }
  }

  @Test(arguments: [1, 3, 17]) func aBatchsGradientIsTheSumOfItsSamples(_ batch: Int) throws {
    let objective = try perceptron(.meanSquaredError, .sigmoid)
    let whole: Machine<Doubles> = machine(try objective.trainingPlan(batch: batch), batch: batch)
    whole.run()
    let single: Machine<Doubles> = machine(try objective.trainingPlan(batch: 1), batch: 1)
    var (sum, loss) = ([Double](repeating: 0, count: whole.allGradients.count), 0.0)
    for sample in 0..<batch {
      single.inputs = Array(whole.inputs[sample * 7..<(sample + 1) * 7])
      single.labels = [whole.labels[sample]]
      single.run()
      sum = zip(sum, single.allGradients).map { $0 + $1 }
      loss += single.rider(.loss)
    }
    #expect(abs(loss - whole.rider(.loss)) < 1e-12 * loss)
    for (a, b) in zip(sum, whole.allGradients) { #expect(abs(a - b) < 1e-12) }
  }

  @Test func aSecondPassOverTheSameMemoryGivesTheSameBits() throws {
    let machine: Machine<FloatKernels> = machine(try perceptron().trainingPlan(batch: 5), batch: 5)
    machine.run()
    let first = machine.allGradients
    machine.run()
    #expect(machine.allGradients == first)
  }
}
