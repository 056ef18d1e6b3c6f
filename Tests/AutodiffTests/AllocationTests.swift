// A training pass allocates nothing beyond what the matrix products' library allocates inside its calls.

import AllocationCounter
import Layers
import TensorCore
import Testing

import Autodiff

@Suite(.serialized) struct AllocationTests {
  private func allocations(_ body: () -> Void) -> Int {
    allocation_counter_arm()
    body()
    return allocation_counter_disarm()
  }

  /// The products of the steps, forward and backward, are oneDNN's where they are not ours, which allocate nothing; the
  /// weight's gradient is one for up to 512 rows.
  @Test(arguments: RecurrentCell.allCases)
  func aRecurrentPassAllocatesNothingOfItsOwn(_ cell: RecurrentCell) {
    ComputeLibrary.setThreads(1)
    let form = RecurrentForm(cell: cell, steps: 5, batch: 32, hidden: 64, usesBias: cell == .gru)
    let (sums, rows) = (cell.gates * 64, 4 * 32)
    let room = Arena<Float>(count: 2 * form.gradientCount)
    let (y, dx, scratch) = (
      Arena<Float>(count: form.resultCount), Arena<Float>(count: form.gradientCount),
      Arena<Float>(count: max(form.scratchCount, form.gradientScratchCount))
    )
    func pass() {
      FloatKernels.recurrent(
        form, room.base, weight: room.base, bias: form.usesBias ? UnsafePointer(room.base) : nil, y.base,
        scratch: scratch.base)
      FloatKernels.recurrentGradient(
        form, y.base, room.base, weight: room.base, dx.base, scratch: scratch.base)
      FloatKernels.recurrentWeightGradient(form, y.base, dx.base, room.base)
    }
    func product(_ rows: Int, _ columns: Int, _ depth: Int, transposeA: Bool = false) {
      FloatKernels.matrixProduct(
        MatrixForm(rows: rows, columns: columns, depth: depth, transposeA: transposeA), room.base, room.base,
        bias: nil, activation: nil, dx.base, scratch: scratch.base)
    }
    pass()
    let own = allocations(pass)
    let bare = allocations {
      for _ in 0..<(FloatKernels.hasFastProducts ? 0 : 4) {
        product(32, sums, 64)
        product(32, 64, sums)
      }
      product(sums, 64, rows, transposeA: true)
    }
    #expect(own == bare, "\(own) in a pass, \(bare) inside its matrix products")
  }

  @Test func theCounterSeesAnAllocation() {
    var kept: [Int] = []
    #expect(allocations { kept = [Int](repeating: 1, count: 1000) } == 1)
    let arena = allocations { _ = Arena<Float>(count: 100) }
    #expect(arena >= 1)
    #expect(kept.count == 1000)
    #expect(allocations {} == 0)
  }

  /// The products of the pass, done bare, allocate as often as the pass itself: nothing is ours.
  @Test(arguments: [(Loss.crossEntropy, Activation.relu), (.meanSquaredError, .tanh)])
  func aTrainingPassAllocatesNothingOfItsOwn(_ loss: Loss, _ activation: Activation) throws {
    ComputeLibrary.setThreads(1)
    let objective = try Objective(
      MultilayerPerceptron(widths: [784, 128, 10], activation: activation), loss: loss, inputShape: [784],
      target: .classes(10))
    try expectNoAllocations(objective, batch: 64)
  }

  @Test func aTrainingPassOfATransformerAllocatesNothingOfItsOwn() throws {
    ComputeLibrary.setThreads(1)
    let model = GPT(vocabulary: 10, context: 20, width: 32, layers: 2, heads: 4, paddingToken: 9)
    try expectNoAllocations(
      Objective(model, loss: .crossEntropy, inputShape: [20], target: .classes(10, perSample: 20)), batch: 8)
  }

  private func expectNoAllocations(_ objective: Objective, batch: Int) throws {
    let machine = Machine<FloatKernels>(try objective.trainingPlan(batch: batch))
    machine.setAll(seed: 1, scale: 0.05)
    // Room for the largest operand of the products below.
    let operand = Arena<Float>(count: 784 * 128)
    let inputs = Arena<Float>(count: batch * objective.inputShape.count)
    let labels = Draw(3).labels(batch * objective.target.labelsPerSample, classes: 10)
    // Taken out of the instructions first: iterating over these allocates by itself without optimization.
    let products = machine.plan.instructions.compactMap { instruction -> MatrixForm? in
      instruction.matrixForm
    }
    let scratch = Arena<Float>(count: products.map(\.scratchCount).max() ?? 0)
    labels.withUnsafeBufferPointer { labels in
      let memory = machine.bindings(inputs.base, nil, labels.baseAddress)
      var seen = 0
      // Once to warm up: oneDNN generates its code, Swift its metadata.
      Executor<FloatKernels>.run(machine.plan, memory) { seen += $0 }
      let pass = allocations { Executor<FloatKernels>.run(machine.plan, memory) { seen += $0 } }
      let bare = allocations {
        products.withUnsafeBufferPointer { products in
          for index in products.indices {
            FloatKernels.matrixProduct(
              products[index], operand.base, operand.base, bias: nil, activation: nil, machine.gradients.base,
              scratch: scratch.base)
          }
        }
      }
      #expect(pass == bare, "\(pass) in a pass, \(bare) inside its matrix products")
      let deliberate = allocations {
        Executor<FloatKernels>.run(machine.plan, memory) { prefix in
          if prefix == machine.plan.layout.count { _ = Arena<Float>(count: 16) }
        }
      }
      #expect(deliberate > pass)
    }
  }
}
