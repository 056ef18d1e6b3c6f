// What plans make of normalization and pooling: fusion, layouts, evaluation, and what cannot be.

import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct NormalizationPlanTests {
  private func plan(asksForParts: Bool, isFrozen: Bool = false) throws -> Plan {
    var graph = Graph()
    let x = graph.activation(.tanh, try graph.parameter("x", [3, 5, 2, 7]))
    let normalized = try graph.batchNormalization(x, isFrozen: isFrozen)
    let y = graph.activation(.relu, normalized)
    let loss = try graph.sum(graph.multiply(y, graph.target([3, 5, 2, 7])))
    // What is asked for has a place of its own, and cannot be fused away.
    return try Plan.training(
      graph, batch: 3, loss: loss, outputs: asksForParts ? [.result(normalized, offset: 0)] : [])
  }

  @Test(arguments: [false, true]) func aReLUAfterANormalizationCostsNoPass(_ isFrozen: Bool) throws {
    let plans = try [false, true].map { try plan(asksForParts: $0, isFrozen: isFrozen) }
    let counts = plans.map { plan in
      plan.instructions.count {
        switch $0.operation {
        case .activation(.relu), .activationGradient(.relu): true
        default: false
        }
      }
    }
    #expect(counts == [0, 2])
    let machines = plans.map { plan in
      let machine = Machine<FloatKernels>(plan)
      machine.setAll(seed: 1)
      machine.set("running_var", [0.5, 1, 1.5, 2, 2.5])
      machine.targets = Draw(4).values(210).map { Float($0) }
      machine.poison()
      machine.run()
      return machine
    }
    #expect(machines[0].allGradients == machines[1].allGradients)
    #expect(machines[0].rider(.loss) == machines[1].rider(.loss))
    #expect(machines[0].allGradients.contains { $0 != 0 } && machines[0].rider(.faults) == 0)
  }

  @Test func gradientsOfANormalizationAreCompleteWhenTheyAreWritten() throws {
    let plan = try plan(asksForParts: false)
    // x's gradient, behind two more instructions, is the last; weight and bias do not wait for it.
    #expect(plan.layout.entries.map(\.name) == ["weight", "bias", "x"])
    let prefixes = plan.instructions.map(\.completedPrefix)
    #expect(Set(prefixes).isSuperset(of: [0, 16, 32, plan.layout.count]))
  }

  @Test func evaluationTakesTheRunningStatistics() throws {
    var graph = Graph(isTraining: false)
    let y = try graph.batchNormalization(graph.input([1, 2, 3]), epsilon: 1e-5)
    let layout = VectorLayout(
      [("weight", [2]), ("bias", [2])], buffers: [("running_mean", [2], 0.1), ("running_var", [2], 0.1)])
    let machine = Machine<FloatKernels>(
      Plan.forward(graph, batch: 1, outputs: [.result(y, offset: 0)], layout: layout))
    machine.set("weight", [2, -1])
    machine.set("bias", [0.5, 0])
    machine.set("running_mean", [1, 10])
    machine.set("running_var", [4 - 1e-5, 100])
    machine.inputs = [1, 3, -3, 10, 20, 0]
    machine.poison()
    machine.run()
    let expected: [Float] = [0.5, 2.5, -3.5, 0, -1, 1]
    for (value, expected) in zip(machine.results.buffer, expected) { #expect(abs(value - expected) < 1e-5) }
  }

  @Test func everyFormKnowsBothLayouts() throws {
    for isFrozen in [false, true] {
      var graph = Graph()
      let x = graph.activation(.tanh, try graph.parameter("x", [2, 16, 8, 8]))
      let pooled = try graph.averagePooling(graph.maxPooling(x, window: 2), window: 2)
      let y = try graph.globalAveragePooling(graph.batchNormalization(pooled, isFrozen: isFrozen))
      _ = try graph.differentiate(graph.sum(graph.multiply(y, y)))
      var seen = 0
      for record in graph.records {
        let given = record.operands.map { graph.shape(of: $0).rank == 4 ? 16 : 0 }
        guard let blocked = record.operation.laidOutAsGiven(given, block: 16) else { continue }
        seen += 1
        #expect(blocked.operation != record.operation)
        #expect(blocked.operands == given)
        #expect(blocked.result == (record.shape.rank == 4 ? 16 : 0))
        let plain = record.operation.laidOutAsGiven(given.map { _ in 0 }, block: 0)
        #expect(plain?.operation == record.operation)
        #expect(plain?.operands.allSatisfy { $0 == 0 } == true && plain?.result == 0)
      }
      #expect(seen == (isFrozen ? 9 : 10))
    }
  }

  // MARK: What cannot be

  @Test func aWindowLargerThanThePaddedImageIsNamedWithBothSizes() {
    expectError("5×5", "4×9") { graph throws(GraphError) in
      _ = try graph.maxPooling(graph.input([2, 3, 4, 9]), window: 5)
    }
    expectError("7×2", "3×4", "padded to 5×4") { graph throws(GraphError) in
      _ = try graph.averagePooling(
        graph.input([2, 3, 3, 4]), window: .init(height: 7, width: 2),
        padding: .init(height: 1, width: 0))
    }
  }

  @Test func paddingOfMoreThanHalfTheWindowIsRefused() {
    expectError("half", "3×3", "2×0") { graph throws(GraphError) in
      _ = try graph.maxPooling(
        graph.input([2, 3, 8, 8]), window: 3, padding: .init(height: 2, width: 0))
    }
    expectError("2×1") { graph throws(GraphError) in
      _ = try graph.averagePooling(
        graph.input([2, 3, 8, 8]), window: .init(height: 2, width: 1), padding: 1)
    }
  }

  @Test func whatIsNoImageIsNotPooled() {
    expectError("[2, 192]", "[batch, channels, height, width]") { graph throws(GraphError) in
      _ = try graph.maxPooling(graph.input([2, 192]), window: 2)
    }
    expectError("[2, 3, 5]") { graph throws(GraphError) in
      _ = try graph.globalAveragePooling(graph.input([2, 3, 5]))
    }
    expectError("0×2", "1×1") { graph throws(GraphError) in
      _ = try graph.maxPooling(
        graph.input([2, 3, 8, 8]), window: .init(height: 0, width: 2), stride: 1)
    }
  }

  @Test func channelsThatDoNotFitANormalizationNameBoth() {
    expectError("[4, 6, 5]", "[3]") { graph throws(GraphError) in
      _ = try BatchNormalization("norm", 3)(graph.input([4, 6, 5]), in: &graph)
    }
    expectError("[4]") { graph throws(GraphError) in
      _ = try BatchNormalization("norm", 4)(graph.input([4]), in: &graph)
    }
  }

  @Test func aShardOfOneValueAChannelIsRefusedWithTheRemedy() {
    for shape in [[1, 3], [1, 3, 1], [1, 3, 1, 1]] as [Shape] {
      expectError("encoder.hidden.norm", "\(shape)", "larger batch", "fewer shards", "lastBatch: drop") {
        graph throws(GraphError) in
        _ = try BatchNormalization("norm", 3)(graph.input(shape), in: &graph)
      }
    }
  }

  @Test func oneSampleIsEnoughOutsideTrainingAndWithFrozenStatistics() throws {
    var graph = Graph(isTraining: false)
    _ = try BatchNormalization("norm", 3)(graph.input([1, 3]), in: &graph)
    var training = Graph()
    _ = try BatchNormalization("norm", 3, isFrozen: true)(training.input([1, 3]), in: &training)
    #expect(training.statistics.isEmpty)
    _ = try BatchNormalization("other", 3)(training.input([1, 3, 2]), in: &training)
    #expect(training.statistics.count == 2)
  }

  @Test func synchronizedShardsMeetOnceForwardAndOnceBackward() throws {
    func plan(isSynchronized: Bool, batch: Int) throws -> Plan {
      var graph = Graph()
      let x = try BatchNormalization("first", 3, isSynchronized: isSynchronized)(
        graph.input([batch, 3, 2]), in: &graph)
      let y = try BatchNormalization("second", 3, isSynchronized: isSynchronized)(x, in: &graph)
      let loss = try graph.sum(graph.multiply(y, y))
      return try Plan.training(graph, batch: batch, loss: loss, outputs: [])
    }
    // Towards the input, which is not trained, nothing flows back from the first.
    let plan1 = try plan(isSynchronized: true, batch: 1)
    #expect(
      plan1.synchronizations.map(\.form) == [
        SynchronizationForm(.statistics, channels: 3, valuesPerSample: 2),
        SynchronizationForm(.statistics, channels: 3, valuesPerSample: 2),
        SynchronizationForm(.sums, channels: 3, valuesPerSample: 2),
      ])
    #expect(try plan(isSynchronized: true, batch: 5).layout == plan1.layout)
    #expect(try plan(isSynchronized: false, batch: 2).layout == plan1.layout)
    #expect(try plan(isSynchronized: false, batch: 2).synchronizations.isEmpty)
  }

  @Test func aReLUAfterASynchronizedNormalizationCostsNoPass() throws {
    var graph = Graph()
    let x = graph.activation(.tanh, try graph.parameter("x", [1, 5]))
    let y = graph.activation(
      .relu, try BatchNormalization("norm", 5, isSynchronized: true)(x, in: &graph))
    let loss = try graph.sum(graph.multiply(y, y))
    let plan = try Plan.training(graph, batch: 1, loss: loss, outputs: [])
    #expect(plan.synchronizations.count == 2)
    for instruction in plan.instructions {
      #expect(
        instruction.operation != .activation(.relu) && instruction.operation != .activationGradient(.relu))
    }
  }

  @Test func parametersAndBuffersAreNamedAndStartAsPyTorchs() throws {
    var graph = Graph()
    _ = try BatchNormalization("norm", 3, momentum: 0.25)(graph.input([2, 3]), in: &graph)
    #expect(graph.parameters.map(\.name) == ["norm.weight", "norm.bias"])
    #expect(graph.parameters.map(\.initialValue) == [.constant(1), .constant(0)])
    #expect(graph.buffers.map(\.name) == ["norm.running_mean", "norm.running_var"])
    #expect(graph.buffers.map(\.initialValue) == [.constant(0), .constant(1)])
    #expect(graph.buffers.map(\.momentum) == [0.25, 0.25])
  }
}
