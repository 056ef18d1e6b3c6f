import Synchronization
import TensorCore

/// The memory that a plan runs over, for one pass.
package struct Bindings<Scalar: BitwiseCopyable> {
  package var parameters: UnsafePointer<Scalar>
  /// A gradient vector with its riders, or just riders for a plan without a backward pass.
  package var gradients: UnsafeMutablePointer<Scalar>
  package var riders: UnsafeMutablePointer<Scalar>
  package var inputs: UnsafePointer<Scalar>?
  package var targets: UnsafePointer<Scalar>?
  package var labels: UnsafePointer<Int32>?
  package var weights: UnsafePointer<Scalar>?
  /// What random numbers are drawn by, for plans with dropout.
  package var key: PassKey?
  package var activations: UnsafeMutablePointer<Scalar>
  package var results: UnsafeMutablePointer<Scalar>?
  /// Where the number of the instruction under way is written, for whoever watches from outside.
  package var position: UnsafeMutablePointer<Atomic<Int>>?

  package init(
    parameters: UnsafePointer<Scalar>, gradients: UnsafeMutablePointer<Scalar>,
    riders: UnsafeMutablePointer<Scalar>, activations: UnsafeMutablePointer<Scalar>
  ) {
    self.parameters = parameters
    self.gradients = gradients
    self.riders = riders
    self.activations = activations
  }

  @inline(__always)
  fileprivate func address(_ slot: Slot) -> UnsafeMutablePointer<Scalar> {
    switch slot.arena {
    case .parameters: UnsafeMutablePointer(mutating: parameters) + slot.offset
    case .gradients: gradients + slot.offset
    case .riders: riders + slot.offset
    case .activations: activations + slot.offset
    case .inputs: UnsafeMutablePointer(mutating: bound(inputs, "inputs")) + slot.offset
    case .targets: UnsafeMutablePointer(mutating: bound(targets, "targets")) + slot.offset
    case .weights: UnsafeMutablePointer(mutating: bound(weights, "weights")) + slot.offset
    case .results: bound(results, "results") + slot.offset
    }
  }

  @inline(__always)
  fileprivate func bound<Value>(_ value: Value?, _ name: StaticString) -> Value {
    guard let value else { preconditionFailure("this plan needs \(name), which are not bound") }
    return value
  }
}

/// Replays a plan: one switch, no allocation, no decision.
package enum Executor<Kernels: KernelSet> {
  package typealias Scalar = Kernels.Scalar

  package static func run(_ plan: Plan, _ memory: Bindings<Scalar>) { run(plan, memory) { _ in } }

  /// - Parameter afterInstruction: called with the length of the complete prefix of the gradient vector,
  ///   for averaging that starts while the backward pass still runs.
  package static func run(
    _ plan: Plan, _ memory: Bindings<Scalar>, afterInstruction: (Int) throws -> Void
  ) rethrows {
    clear(plan, memory)
    try plan.instructions.withUnsafeBufferPointer { instructions in
      for index in instructions.indices {
        memory.position?.pointee.store(index, ordering: .relaxed)
        execute(instructions[index], memory, plan, index)
        try afterInstruction(instructions[index].completedPrefix)
      }
    }
  }

  /// Runs one segment of a plan for a shard. Segments are run in order, for all shards of the batch the first
  /// before the second for any; before each but the first, `meeting` of the one before it has its result.
  package static func run(_ plan: Plan, _ memory: Bindings<Scalar>, segment: Int) {
    let stops = plan.synchronizations
    if segment == 0 { clear(plan, memory) }
    let first = segment == 0 ? 0 : stops[segment - 1].instruction + 1
    let end = segment < stops.count ? stops[segment].instruction : plan.instructions.count
    plan.instructions.withUnsafeBufferPointer { instructions in
      for index in first..<end {
        memory.position?.pointee.store(index, ordering: .relaxed)
        execute(instructions[index], memory, plan, index)
      }
    }
  }

  /// Behind a segment but the last: what this shard gives, and where what all shards make together is to lie.
  package static func meeting(
    _ plan: Plan, _ memory: Bindings<Scalar>, after segment: Int
  ) -> (own: UnsafePointer<Scalar>, whole: UnsafeMutablePointer<Scalar>) {
    let instruction = plan.instructions[plan.synchronizations[segment].instruction]
    return (UnsafePointer(memory.address(instruction.operands.0)), memory.address(instruction.result))
  }

  package static func clear(_ plan: Plan, _ memory: Bindings<Scalar>) {
    memory.riders.update(repeating: 0, count: Rider.room)
    memory.riders[Rider.samples.rawValue] = Scalar(plan.batch)
    memory.riders[Rider.shards.rawValue] = 1
  }

  /// - Parameter index: the instruction's number in the plan.
  package static func execute(
    _ instruction: Instruction, _ memory: Bindings<Scalar>, _ plan: Plan, _ index: Int
  ) {
    let y = memory.address(instruction.result)
    let a = memory.address(instruction.operands.0)
    let b = memory.address(instruction.operands.1)
    let c = memory.address(instruction.operands.2)
    let d = memory.address(instruction.operands.3)
    let e = memory.address(instruction.operands.4)
    let f = memory.address(instruction.operands.5)
    let scratch = memory.activations + plan.scratchOffset
    let primitive = plan.primitives.slots + index
    let (count, (first, second, third)) = (instruction.count, instruction.extents)

    switch instruction.operation {
    case .input, .target, .labels, .weights, .parameter, .buffer:
      preconditionFailure("leaves are not computed")
    case .constant(let value): Kernels.fill(Scalar(value), y, count)
    case .matrixProduct(let transposeA, let transposeB, let epilogue):
      // A residual has a pass of its own, which the bias can share.
      let addsBias = epilogue.addsBias && !epilogue.addsResidual
      Kernels.matrixProduct(
        MatrixForm(
          rows: first, columns: second, depth: third, transposeA: transposeA, transposeB: transposeB),
        a, b, bias: addsBias ? UnsafePointer(c) : nil, activation: epilogue.activation, y, scratch: scratch)
      if epilogue.addsResidual {
        Kernels.addBiasAndResidual(
          epilogue.addsBias ? UnsafePointer(c) : nil, epilogue.addsBias ? d : c, y, first, second)
      }
    case .activation(let activation): Kernels.activate(activation, a, y, count)
    case .activationGradient(let activation): Kernels.activationGradient(activation, a, b, y, count)
    case .add: Kernels.add(a, b, y, count)
    case .multiply: Kernels.multiply(a, b, y, count)
    case .scale(let factor): Kernels.scale(a, Scalar(factor), y, count)
    case .view: Kernels.copy(a, y, count)
    case .slice(let form):
      Kernels.copyRuns(
        a + form.start, y, rows: form.rows, length: form.part, xStride: form.whole, yStride: form.part)
    case .pad(let form):
      Kernels.fill(0, y, count)
      Kernels.copyRuns(
        a, y + form.start, rows: form.rows, length: form.part, xStride: form.part, yStride: form.whole)
    case .concatenate(let rows, let left, let right):
      Kernels.copyRuns(a, y, rows: rows, length: left, xStride: left, yStride: left + right)
      Kernels.copyRuns(b, y + left, rows: rows, length: right, xStride: right, yStride: left + right)
    case .transpose(let form): Kernels.transpose(form, a, y)
    case .reduceSum: Kernels.reduceSum(a, y, outer: first, axis: second, inner: third)
    case .broadcast: Kernels.broadcast(a, y, outer: first, axis: second, inner: third)
    case .oneHot: Kernels.oneHot(memory.bound(memory.labels, "labels"), y, first, second)
    case .convolution(let form): convolve(form, (a, b, c, d, e, f), y, primitive, scratch)
    case .convolutionInputGradient(let form):
      convolveBack(form, (a, b, c, d), y, primitive, scratch)
    case .convolutionWeightGradient(let form):
      convolveForWeight(form, (a, b, c, d, e), y, primitive, scratch)
    case .addToChannels(let form): Kernels.addToChannels(form, a, b, y)
    case .sumOfChannels(let form): Kernels.sumOfChannels(form, a, y)
    case .reorder(let form): Kernels.reorder(form, a, y, primitive: primitive)
    case .softmax: Kernels.softmax(a, y, first, second)
    case .softmaxGradient: Kernels.softmaxGradient(a, b, y, first, second)
    case .rowNormalization(let form):
      Kernels.normalize(form, a, b, form.hasBias ? UnsafePointer(c) : nil, y)
    case .rowNormalizationInputGradient(let form):
      Kernels.normalizeInputGradient(form, a, c, b, form.addsGradient ? UnsafePointer(d) : nil, y)
    case .rowNormalizationSums(let form): Kernels.normalizeSums(form, a, b, y)
    case .differs(let value): Kernels.differs(a, from: Scalar(value), y, count)
    case .embedding(let form): Kernels.embedding(form, a, b, y)
    case .embeddingGradient(let form): Kernels.embeddingGradient(form, a, b, y)
    case .attention(let form):
      Kernels.attention(
        form, a, form.hasMask ? UnsafePointer(b) : nil, y, scratch: scratch)
    case .attentionGradient(let form):
      Kernels.attentionGradient(
        form, a, form.hasMask ? UnsafePointer(c) : nil, b, y, scratch: scratch)
    case .dropout(let form): Kernels.dropout(form, memory.bound(memory.key, "a key for dropout"), a, y)
    case .recurrent(let form):
      Kernels.recurrent(
        form, a, weight: b, bias: form.usesBias ? UnsafePointer(c) : nil, y, scratch: scratch)
    case .recurrentGradient(let form): Kernels.recurrentGradient(form, a, b, weight: c, y, scratch: scratch)
    case .recurrentWeightGradient(let form): Kernels.recurrentWeightGradient(form, a, b, y)

    case .pool(let form): Kernels.pool(form, a, y, scratch: scratch)
    case .maxPoolGradient(let form): Kernels.maxPoolGradient(form, a, b, y, scratch: scratch)
    case .averagePoolGradient(let form): Kernels.averagePoolGradient(form, a, y, scratch: scratch)
    case .globalAverage(let form): Kernels.globalAverage(form, a, y)
    case .globalAverageGradient(let form): Kernels.globalAverageGradient(form, a, y)

    case .channelStatistics(let form): Kernels.channelStatistics(form, a, y)
    case .batchNormalization(let form):
      Kernels.normalize(form, a, b, c, d, added: form.addsResidual ? UnsafePointer(e) : nil, y)
    case .batchNormalizationSums(let form): Kernels.normalizeSums(form, a, b, c, d, e, y)
    case .batchNormalizationGradient(let form): Kernels.normalizeGradient(form, b, c, d, e, a, f, y)
    case .frozenBatchNormalizationGradient(let form): Kernels.frozenNormalizeGradient(form, b, c, d, e, a, y)
    case .synchronize: preconditionFailure("shards meet here: this plan is run segment by segment")

    // Labels have no slot, so a gradient's next operand is the second that has one.
    case .crossEntropy(let smoothing):
      Kernels.crossEntropy(
        a, memory.bound(memory.labels, "labels"), smoothing: Scalar(smoothing), y, first, second)
    case .crossEntropyGradient(let smoothing):
      Kernels.crossEntropyGradient(
        a, memory.bound(memory.labels, "labels"), smoothing: Scalar(smoothing), b, y, first, second)
    case .softCrossEntropy(let smoothing):
      Kernels.softCrossEntropy(a, b, smoothing: Scalar(smoothing), y, first, second)
    case .softCrossEntropyGradient(let smoothing):
      Kernels.softCrossEntropyGradient(a, b, smoothing: Scalar(smoothing), c, y, first, second)
    case .valueLoss(let kind): Kernels.valueLoss(kind, a, b, y, first, second)
    case .valueLossGradient(let kind): Kernels.valueLossGradient(kind, a, b, c, y, first, second)
    case .countCorrect:
      y.pointee = Scalar(Kernels.countCorrect(a, memory.bound(memory.labels, "labels"), first, second))
    case .countAgreeing: y.pointee = Scalar(Kernels.countAgreeing(a, b, first, second))
    }

    if instruction.checkedCount > 0, !Kernels.isSummable(y, instruction.checkedCount) {
      memory.riders[Rider.faults.rawValue] += 1
    }
  }
}
