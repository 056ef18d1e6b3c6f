import TensorCore

/// What models of sequences are made of: embedding, attention, and the normalization of single steps.
extension Graph {
  /// Rows of a table: tokens [batch, …] of whole numbers, table [vocabulary, width] → [batch, …, width]. The
  /// data set sees to it that the tokens are in 0..<vocabulary.
  public mutating func embedding(_ tokens: Node, _ table: Node) throws(GraphError) -> Node {
    let (indices, rows) = (shape(of: tokens), shape(of: table))
    try require(rows.rank == 2, "a table [vocabulary, width] for an embedding", "\(rows)")
    let form = EmbeddingForm(rows: indices.count, vocabulary: rows[0], width: rows[1])
    return append(.embedding(form), [tokens, table], indices.inserting(rows[1], at: indices.rank))
  }

  /// 1 where x ≠ value, elsewhere 0, without a gradient: which tokens are not padding.
  public mutating func differs(_ x: Node, from value: Double) -> Node {
    append(.differs(from: value), [x], shape(of: x))
  }

  /// Each step attends to the steps of its sequence: softmax(q·kᵀ/√headWidth)·v, head by head. qkv [batch,
  /// time, 3·width] holds queries, keys and values, the heads one behind the other in each → [batch, time,
  /// width].
  ///
  /// - Parameters:
  ///   - isCausal: whether step i attends to steps 0...i only.
  ///   - mask: [batch, time]; nobody attends to a step with a 0. Steps that have nothing to attend to give
  ///     zeros.
  public mutating func attention(
    _ qkv: Node, heads: Int, isCausal: Bool, mask: Node? = nil
  ) throws(GraphError) -> Node {
    let packed = shape(of: qkv)
    try require(
      heads > 0 && packed.rank == 3 && packed[2] % (3 * heads) == 0,
      "queries, keys and values [batch, time, 3 · width] with a width that \(heads) heads share evenly",
      "\(packed)")
    if let mask {
      let (batch, time) = (packed[0], packed[1])
      try require(
        shape(of: mask) == [batch, time], "a mask [\(batch), \(time)] for attention", "\(shape(of: mask))")
    }
    let form = AttentionForm(
      batch: packed[0], time: packed[1], heads: heads, headWidth: packed[2] / (3 * heads), isCausal: isCausal,
      hasMask: mask != nil)
    return append(
      .attention(form), [qkv] + (mask.map { [$0] } ?? []), [packed[0], packed[1], form.width])
  }

  /// (x − mean)/√(variance + epsilon) · weight + bias over the last axis; weight, bias [columns].
  public mutating func layerNormalization(
    _ x: Node, weight: Node, bias: Node? = nil, epsilon: Double = 1e-5
  ) throws(GraphError) -> Node {
    try normalization(x, weight, bias, epsilon: epsilon, isCentered: true)
  }

  /// x/√(mean of x² + epsilon) · weight over the last axis; weight [columns].
  public mutating func rmsNormalization(
    _ x: Node, weight: Node, epsilon: Double = 1e-5
  ) throws(GraphError) -> Node {
    try normalization(x, weight, nil, epsilon: epsilon, isCentered: false)
  }

  private mutating func normalization(
    _ x: Node, _ weight: Node, _ bias: Node?, epsilon: Double, isCentered: Bool
  ) throws(GraphError) -> Node {
    let old = shape(of: x)
    let columns = old.dimensions.last ?? 0
    let vectors = [weight] + (bias.map { [$0] } ?? [])
    for vector in vectors {
      try require(
        old.rank > 0 && shape(of: vector) == [columns],
        "a weight and a bias as long as the last axis of \(old) to normalize it", "\(shape(of: vector))")
    }
    let form = NormalizationForm(
      rows: old.count / columns, columns: columns, epsilon: epsilon, isCentered: isCentered,
      hasBias: bias != nil)
    return append(.rowNormalization(form), [x] + vectors, old)
  }

  /// The gradients of a normalization's operands.
  mutating func normalizationGradients(
    _ form: NormalizationForm, _ operands: [Node], _ dy: Node, wanted: [Bool]
  ) -> [Node?] {
    let (x, weight) = (operands[0], operands[1])
    var (dweight, dbias): (Node?, Node?)
    if wanted[1] || form.hasBias && wanted[2] {
      let sums = append(.rowNormalizationSums(form), [x, dy], [form.sumCount])
      if form.hasBias && wanted[2] { dbias = view(sums, offset: form.columns, [form.columns]) }
      if wanted[1] { dweight = view(sums, offset: 0, shape(of: weight)) }
    }
    let dx =
      wanted[0] ? append(.rowNormalizationInputGradient(form), [x, dy, weight], shape(of: x)) : nil
    return [dx, dweight] + (form.hasBias ? [dbias] : [])
  }
}
