import TensorCore

extension Operation {
  /// Multiplications and additions, counted apart, of what costs time: products, convolutions, recurrent
  /// cells, attention. What passes over its operands once counts as nothing.
  func floatingPointOperations(result: Shape, operands: [Shape]) -> Int {
    switch self {
    case .matrixProduct(let transposeA, _, _): 2 * result.count * operands[0][transposeA ? 0 : 1]
    case .convolution(let form), .convolutionInputGradient(let form), .convolutionWeightGradient(let form):
      form.floatingPointOperations
    case .recurrent(let form), .recurrentGradient(let form), .recurrentWeightGradient(let form):
      2 * form.sumCount * form.hidden
    case .attention(let form): form.floatingPointOperations
    // The scores anew, and four gradients' products.
    case .attentionGradient(let form): form.floatingPointOperations / 2 * 5
    default: 0
    }
  }
}

extension Graph {
  func floatingPointOperations(of node: Node) -> Int {
    let record = records[node.index]
    return record.operation.floatingPointOperations(
      result: record.shape, operands: record.operands.map { shape(of: $0) })
  }
}
