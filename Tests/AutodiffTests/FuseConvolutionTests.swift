// What is done on the way into and out of convolutions, and before the gradient of pooling instead of after it.

import TensorCore
import Testing

import Autodiff

@Suite struct FuseConvolutionTests {
  /// A stem, a residual block, and a convolution whose operand has another reader: x [2, 16, 4, 4], all with 16 channels.
  private func residualPlan() throws -> Plan {
    var graph = Graph()
    func convolution(_ name: String, _ x: Node) throws -> Node {
      try graph.scope(name) { graph throws(GraphError) in
        try graph.convolution(x, graph.parameter("kernel", [16, 16, 3, 3]), padding: 1)
      }
    }
    func normalized(_ name: String, _ x: Node) throws -> Node {
      let y = try convolution(name, x)
      return try graph.scope(name) { graph throws(GraphError) in try graph.batchNormalization(y) }
    }
    let x = graph.activation(.tanh, try graph.parameter("x", [2, 16, 4, 4]))
    let stem = graph.activation(.relu, try normalized("stem", x))
    let inner = graph.activation(.relu, try normalized("c1", stem))
    let block = graph.activation(.relu, try graph.add(normalized("c2", inner), stem))
    let y = try graph.multiply(convolution("c3", block), block)
    let loss = try graph.sum(graph.multiply(y, graph.target([2, 16, 4, 4])))
    return try Plan.training(graph, batch: 2, loss: loss, outputs: [])
  }

  @Test(.enabled(if: ActivationLayout.block == 16))
  func aResidualBlockCostsNoPassBesideItsNormalizations() throws {
    let operations = try residualPlan().instructions.map(\.operation)
    for operation in operations {
      switch operation {
      case .add, .activation(.relu), .activationGradient(.relu):
        Issue.record("\(operation) should have gone into another instruction")
      default: break
      }
    }
    let normalizations = operations.compactMap {
      if case .batchNormalization(let form) = $0 { form } else { nil }
    }
    // The stem's, which the block's sum reads too, and the block's last; that between its convolutions is gone.
    #expect(normalizations.map(\.appliesReLU) == [true, true])
    #expect(normalizations.map(\.addsResidual) == [false, true])
    let forward = operations.compactMap { if case .convolution(let form) = $0 { form } else { nil } }
    #expect(forward.map { $0.normalization?.appliesReLU } == [nil, nil, true, nil])
    let inputs = operations.compactMap {
      if case .convolutionInputGradient(let form) = $0 { form } else { nil }
    }
    // c3: a shortcut's gradient is added, and the block's ReLU stops it. c1: the other shortcut's is added.
    #expect(inputs.map(\.addsToGradient) == [true, false, true, false])
    #expect(inputs.map(\.stopsAtReLU) == [true, false, false, false])
    let weights = operations.compactMap {
      if case .convolutionWeightGradient(let form) = $0 { form } else { nil }
    }
    #expect(weights.map { $0.normalization?.appliesReLU } == [nil, true, nil, nil])
  }

  @Test func theFusedGradientIsThatOfTheLoss() throws {
    let plan = try residualPlan()
    let exact = Machine<Doubles>(plan)
    exact.setAll(seed: 3, scale: 0.3)
    exact.targets = Draw(4).values(512)
    checkGradient(of: exact, "a residual block")

    exact.setAll(seed: 3, scale: 0.3)
    exact.run()
    let fast = Machine<FloatKernels>(plan)
    fast.setAll(seed: 3, scale: 0.3)
    fast.targets = exact.targets.map { Float($0) }
    fast.poison()
    fast.run()
    for entry in plan.layout.entries {
      let (values, expected) = (fast.gradient(entry.name), exact.gradient(entry.name))
      let largest = expected.map { abs($0) }.max() ?? 0
      let isClose = zip(values, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 * largest }
      #expect(largest > 1e-3 && isClose, "\(entry.name)")
    }
  }

  /// Convolution, bias, ReLU and max pooling of windows that leave pixels out, or overlap.
  private func pooledPlan(window: Size2D, stride: Size2D) throws -> Plan {
    var graph = Graph()
    let x = graph.activation(.tanh, try graph.parameter("x", [2, 2, 7, 8]))
    let y = try graph.convolution(
      x, graph.parameter("kernel", [3, 2, 2, 2]), bias: graph.parameter("bias", [3]))
    let pooled = try graph.maxPooling(graph.activation(.relu, y), window: window, stride: stride)
    let loss = try graph.sum(graph.multiply(pooled, graph.target(graph.shape(of: pooled))))
    return try Plan.training(graph, batch: 2, loss: loss, outputs: [])
  }

  @Test(arguments: [(2, 2), (3, 2), (2, 3)]) func aReLUStopsGradientsBeforeTheyArePooledBack(
    _ window: Int, _ stride: Int
  ) throws {
    let plan = try pooledPlan(
      window: .init(height: window, width: window), stride: .init(height: stride, width: stride))
    let pooled = plan.instructions.compactMap { instruction -> Int? in
      if case .maxPoolGradient(let form) = instruction.operation { form.outputCount } else { nil }
    }
    #expect(pooled.count == 1)
    for instruction in plan.instructions {
      switch instruction.operation {
      case .activationGradient(.relu): #expect(instruction.count == pooled[0])
      case .sumOfChannels(let form): #expect(form.count == pooled[0])
      default: break
      }
    }
    let machine = Machine<Doubles>(plan)
    machine.setAll(seed: 5)
    machine.targets = Draw(6).values(pooled[0])
    checkGradient(of: machine, "window \(window), stride \(stride)")
  }
}
