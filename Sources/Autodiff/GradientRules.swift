import TensorCore

extension Graph {
  /// All of the mathematics of backpropagation, a rule an operation: from the gradient dy of an operation's
  /// result y, the gradients of its operands. `nil`: no gradient flows there. A rule of a product writes
  /// the second operand's gradient first: with `wanted` false for the first (an input), only that.
  ///
  /// Order matters only for speed: what is written first is complete first.
  mutating func gradients(of y: Node, _ dy: Node, wanted: [Bool]) -> [Node?] {
    let record = records[y.index]
    let operands = record.operands
    func shape(_ operand: Int) -> Shape { self.shape(of: operands[operand]) }

    switch record.operation {
    case .input, .target, .labels, .weights, .parameter, .buffer, .constant: return []

    case .matrixProduct(let transposeA, let transposeB, let epilogue):
      precondition(epilogue == .none, "products are fused after differentiation")
      let (a, b) = (operands[0], operands[1])
      // y = op(a)·op(b): d op(a) = dy·op(b)ᵀ, d op(b) = op(a)ᵀ·dy, transposed back where stored transposed.
      let db: Node? =
        !wanted[1]
        ? nil
        : transposeB
          ? product(dy, a, true, transposeA, shape(1)) : product(a, dy, !transposeA, false, shape(1))
      let da: Node? =
        !wanted[0]
        ? nil
        : transposeA
          ? product(b, dy, transposeB, true, shape(0)) : product(dy, b, false, !transposeB, shape(0))
      return [da, db]

    case .activation(let activation):
      let from = activation.gradientReadsInput ? operands[0] : y
      return [append(.activationGradient(activation), [from, dy], record.shape)]
    case .add: return [dy, dy]
    case .multiply:
      return [
        wanted[0] ? append(.multiply, [dy, operands[1]], record.shape) : nil,
        wanted[1] ? append(.multiply, [dy, operands[0]], record.shape) : nil,
      ]
    case .scale(let factor): return [append(.scale(factor), [dy], record.shape)]
    case .view(let offset): return [embed(dy, at: offset, in: shape(0))]
    case .slice(let form): return [append(.pad(form), [dy], shape(0))]
    case .pad(let form): return [append(.slice(form), [dy], shape(0))]
    case .concatenate(let rows, let first, let second):
      let whole = first + second
      return [
        append(.slice(.init(rows: rows, whole: whole, part: first, start: 0)), [dy], shape(0)),
        append(.slice(.init(rows: rows, whole: whole, part: second, start: first)), [dy], shape(1)),
      ]
    case .transpose(let form): return [append(.transpose(form.inverse), [dy], shape(0))]
    case .dropout(let form): return [append(.dropout(form), [dy], record.shape)]
    case .reduceSum(let axis):
      return [append(.broadcast(axis: axis, count: shape(0)[axis]), [dy], shape(0))]
    case .broadcast(let axis, _): return [append(.reduceSum(axis: axis), [dy], shape(0))]
    case .softmax: return [append(.softmaxGradient, [y, dy], record.shape)]
    case .recurrent(let form): return gradients(ofRecurrent: form, y, dy, operands)

    case .rowNormalization(let form): return normalizationGradients(form, operands, dy, wanted: wanted)
    case .embedding(let form): return [nil, append(.embeddingGradient(form), [operands[0], dy], shape(1))]
    case .attention(let form):
      let mask = operands.dropFirst()
      return [append(.attentionGradient(form), [operands[0], dy] + mask, shape(0))] + mask.map { _ in nil }

    case .convolution(let form):
      precondition(!form.addsBias && !form.appliesReLU, "convolutions are fused after differentiation")
      let dweight =
        wanted[1] ? append(.convolutionWeightGradient(form), [operands[0], dy], shape(1)) : nil
      let dx = wanted[0] ? append(.convolutionInputGradient(form), [dy, operands[1]], shape(0)) : nil
      return [dx, dweight]
    // The transposed convolution: x and y have changed places.
    case .convolutionInputGradient(let form):
      let dweight =
        wanted[1] ? append(.convolutionWeightGradient(form), [dy, operands[0]], shape(1)) : nil
      let dx = wanted[0] ? append(.convolution(form), [dy, operands[1]], shape(0)) : nil
      return [dx, dweight]
    case .addToChannels(let form):
      return [dy, wanted[1] ? append(.sumOfChannels(form), [dy], shape(1)) : nil]

    case .pool(let form): return [poolGradient(form, operands[0], dy)]
    case .globalAverage(let form): return [append(.globalAverageGradient(form), [dy], shape(0))]
    case .batchNormalization(let form): return normalizeGradients(form, operands, dy, wanted: wanted)

    case .crossEntropy(let smoothing):
      return [append(.crossEntropyGradient(smoothing: smoothing), operands + [dy], shape(0)), nil]
    case .softCrossEntropy(let smoothing):
      return [append(.softCrossEntropyGradient(smoothing: smoothing), operands + [dy], shape(0)), nil]
    case .valueLoss(let kind): return [append(.valueLossGradient(kind), operands + [dy], shape(0)), nil]

    // Of statistics, `batchNormalization` takes the part of what they are made of.
    case .oneHot, .differs, .countCorrect, .countAgreeing, .channelStatistics, .synchronize:
      return operands.map { _ in nil }
    case .activationGradient, .softmaxGradient, .crossEntropyGradient, .softCrossEntropyGradient,
      .valueLossGradient,
      .rowNormalizationInputGradient, .rowNormalizationSums, .embeddingGradient, .attentionGradient,
      .recurrentGradient, .recurrentWeightGradient,
      .convolutionWeightGradient, .sumOfChannels, .reorder,
      .maxPoolGradient, .averagePoolGradient, .globalAverageGradient,
      .batchNormalizationSums, .batchNormalizationGradient, .frozenBatchNormalizationGradient:
      preconditionFailure("\(record.operation) is a gradient already; second derivatives are not offered")
    }
  }

  /// Zeros of a shape, with dy in the elements from `offset` on.
  private mutating func embed(_ dy: Node, at offset: Int, in whole: Shape) -> Node {
    let part = shape(of: dy).count
    guard part < whole.count else { return append(.view(offset: 0), [dy], whole) }
    return append(.pad(.init(rows: 1, whole: whole.count, part: part, start: offset)), [dy], whole)
  }

  private mutating func product(
    _ a: Node, _ b: Node, _ transposeA: Bool, _ transposeB: Bool, _ shape: Shape
  ) -> Node {
    append(
      .matrixProduct(transposeA: transposeA, transposeB: transposeB, epilogue: .none), [a, b], shape)
  }
}
