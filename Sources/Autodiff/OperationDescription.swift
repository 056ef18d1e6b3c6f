import TensorCore

/// What operations are grouped by where time is told.
package enum OperationKind: String, Sendable, CaseIterable {
  case matrixProducts = "matrix products"
  case convolutions
  case recurrentCells = "recurrent cells"
  case attention
  case normalization
  case pooling
  case losses
  case embedding
  case elementwise = "element by element"
  case movement = "copies and layouts"
  case other = "other operations"
}

extension Operation {
  package var kind: OperationKind {
    switch self {
    case .matrixProduct: .matrixProducts
    case .convolution, .convolutionInputGradient, .convolutionWeightGradient: .convolutions
    case .recurrent, .recurrentGradient, .recurrentWeightGradient: .recurrentCells
    case .attention, .attentionGradient: .attention
    case .rowNormalization, .rowNormalizationInputGradient, .rowNormalizationSums,
      .channelStatistics, .batchNormalization, .batchNormalizationSums, .batchNormalizationGradient,
      .frozenBatchNormalizationGradient, .synchronize:
      .normalization
    case .pool, .maxPoolGradient, .averagePoolGradient, .globalAverage, .globalAverageGradient: .pooling
    case .crossEntropy, .crossEntropyGradient, .softCrossEntropy, .softCrossEntropyGradient, .valueLoss,
      .valueLossGradient, .countCorrect, .countAgreeing:
      .losses
    case .embedding, .embeddingGradient: .embedding
    case .activation, .activationGradient, .add, .multiply, .scale, .addToChannels, .dropout, .differs,
      .softmax, .softmaxGradient, .reduceSum, .sumOfChannels:
      .elementwise
    case .view, .slice, .pad, .concatenate, .transpose, .broadcast, .reorder: .movement
    default: .other
    }
  }

  /// The case's name, as `matrixProduct`.
  private var name: String { String("\(self)".prefix { $0 != "(" }) }

  /// The operation in a few words, with what decides its time: `matrixProduct NT 64×128×784 + bias, relu`.
  ///
  /// Products are told as rows×columns×depth, with a T for an operand that is stored transposed.
  package func summary(result: Shape, operands: [Shape]) -> String {
    switch self {
    case .matrixProduct(let transposeA, let transposeB, let epilogue):
      let depth = operands[0][transposeA ? 0 : 1]
      let form = (transposeA ? "T" : "N") + (transposeB ? "T" : "N")
      return "\(name) \(form) \(result[0])×\(result[1])×\(depth)" + epilogue.summary
    case .activation(let activation), .activationGradient(let activation):
      return "\(name) \(activation) \(result)"
    case .convolution(let form), .convolutionInputGradient(let form), .convolutionWeightGradient(let form):
      return "\(name) \(form.summary)"
    case .reorder(let form): return "\(name) \(form.from.shape) \(form.summary)"
    case .rowNormalization(let form), .rowNormalizationInputGradient(let form),
      .rowNormalizationSums(let form):
      return "\(name) \(form.isCentered ? "layer" : "rms") \(form.rows)×\(form.columns)"
    case .embedding(let form), .embeddingGradient(let form):
      return "\(name) \(form.rows) rows of \(form.vocabulary)×\(form.width)"
    case .attention(let form), .attentionGradient(let form): return "\(name) \(form.summary)"
    case .recurrent(let form), .recurrentGradient(let form), .recurrentWeightGradient(let form):
      return "\(name) \(form.cell) \(form.hidden), \(form.steps) steps, batch \(form.batch)"
    case .pool(let form), .maxPoolGradient(let form), .averagePoolGradient(let form),
      .globalAverage(let form), .globalAverageGradient(let form):
      return "\(name) \(form.window) of \(form.batch)×\(form.channels) images \(form.input)"
    case .channelStatistics(let form), .batchNormalization(let form), .batchNormalizationSums(let form),
      .batchNormalizationGradient(let form), .frozenBatchNormalizationGradient(let form):
      return "\(name) \(form.batch)×\(form.channels)×\(form.spatial)" + (form.appliesReLU ? " + relu" : "")
    case .dropout(let form): return "\(name) \(form.rate) \(result)"
    case .crossEntropy, .crossEntropyGradient, .softCrossEntropy, .softCrossEntropyGradient, .valueLoss,
      .valueLossGradient, .countCorrect, .countAgreeing, .reduceSum, .sumOfChannels:
      return "\(name) of \(operands.first ?? result)"
    default: return "\(name) \(result)"
    }
  }

  /// Bytes of the operands and of the result, each counted once: what passes between the memory and the core where
  /// nothing is in its caches. A view moves nothing.
  func bytes(result: Shape, operands: [Shape]) -> Int {
    if case .view = self { return 0 }
    return MemoryLayout<Float>.stride * (result.count + operands.reduce(0) { $0 + $1.count })
  }
}

extension Operation.Epilogue {
  fileprivate var summary: String {
    let parts =
      (addsBias ? ["bias"] : []) + (addsResidual ? ["residual"] : []) + (activation.map { ["\($0)"] } ?? [])
    return parts.isEmpty ? "" : " + " + parts.joined(separator: ", ")
  }
}

extension ConvolutionForm {
  fileprivate var summary: String {
    var text = "\(inputChannels)→\(outputChannels), \(kernel)"
    if stride != 1 { text += ", stride \(stride)" }
    if dilation != 1 { text += ", dilation \(dilation)" }
    if groups != 1 { text += ", \(groups) groups" }
    text += ", \(batch) images \(input)"
    let epilogue = (addsBias ? ["bias"] : []) + (appliesReLU ? ["relu"] : [])
    return epilogue.isEmpty ? text : text + " + " + epilogue.joined(separator: ", ")
  }
}

extension ReorderForm {
  fileprivate var summary: String {
    func layout(_ block: Int) -> String { block == 0 ? "plain" : "blocks of \(block)" }
    return "\(layout(fromBlock)) → \(layout(toBlock))"
  }
}

extension AttentionForm {
  fileprivate var summary: String {
    "\(heads) heads of \(headWidth), \(time) steps, batch \(batch)" + (isCausal ? ", causal" : "")
  }
}
