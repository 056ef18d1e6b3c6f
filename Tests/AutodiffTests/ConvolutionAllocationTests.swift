// A training pass over convolutions allocates nothing beyond what oneDNN allocates inside its calls, and that
// is the same in every pass.

import AllocationCounter
import Layers
import TensorCore
import Testing

import Autodiff

@Suite(.serialized) struct ConvolutionAllocationTests {
  private struct Model: Layer {
    let first = Convolution2D("first", 3, 32, kernel: 3, padding: 1, activation: .relu)
    let second = Convolution2D("second", 32, 32, kernel: 3, padding: 1, activation: .tanh)
    let up = TransposedConvolution2D("up", 32, 5, kernel: 2, stride: 2)
    let output = Dense("output", 5 * 256, 10)

    func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
      let y = try up(second(first(x, in: &graph), in: &graph), in: &graph)
      return try output(graph.flatten(y), in: &graph)
    }
  }

  private func allocations(_ body: () -> Void) -> Int {
    allocation_counter_arm()
    body()
    return allocation_counter_disarm()
  }

  @Test func aTrainingPassAllocatesNothingOfItsOwn() throws {
    ComputeLibrary.setThreads(1)
    let objective = try Objective(
      Model(), loss: .crossEntropy, inputShape: [3, 8, 8], target: .classes(10))
    let machine = Machine<FloatKernels>(try objective.trainingPlan(batch: 4))
    machine.setAll(seed: 1, scale: 0.05)
    let (inputs, labels) = (Arena<Float>(count: 4 * 192), Draw(3).labels(4, classes: 10))
    labels.withUnsafeBufferPointer { labels in
      let memory = machine.bindings(inputs.base, nil, labels.baseAddress)
      let plan = machine.plan
      // Once to warm up: oneDNN generates its code, and the thread's scratch is made.
      Executor<FloatKernels>.run(plan, memory)
      let pass = allocations { Executor<FloatKernels>.run(plan, memory) }
      let primitives = plan.instructions.indices.filter { plan.instructions[$0].operation.isOneDNN }
      let library = allocations {
        for position in 0..<primitives.count {
          let index = primitives[position]
          Executor<FloatKernels>.execute(plan.instructions[index], memory, plan, index)
        }
      }
      #expect(pass == library, "\(pass) in a pass, \(library) inside oneDNN's primitives")
      #expect(pass == allocations { Executor<FloatKernels>.run(plan, memory) })
      // oneDNN makes a table of its arguments at each run of a primitive; a primitive or memory made anew
      // would be a hundred allocations and more.
      #expect(
        library <= 40 * plan.instructions.count, "\(library) in \(plan.instructions.count) instructions")
    }
  }
}

extension Autodiff.Operation {
  fileprivate var isOneDNN: Bool {
    switch self {
    case .convolution, .convolutionInputGradient, .convolutionWeightGradient, .reorder, .matrixProduct: true
    default: false
    }
  }
}
