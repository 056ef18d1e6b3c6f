import TensorCore

/// What a recurrent layer writes for one of its directions, and its gradient.
extension Graph {
  /// The states of all time steps, [steps, batch, hidden]; the state before the first step is 0.
  ///
  /// - Parameters:
  ///   - x: what the input gives to the sums of each step, time-major, [steps, batch, gates · hidden]; all biases
  ///     included, but for the second one of a GRU.
  ///   - weight: that of the previous state, [gates · hidden, hidden].
  ///   - bias: the second one of a GRU, [gates · hidden].
  ///   - isReversed: whether time runs from the last step to the first.
  public mutating func recurrent(
    _ cell: RecurrentCell, _ x: Node, weight: Node, bias: Node? = nil, isReversed: Bool = false
  ) throws(GraphError) -> Node {
    let (sums, square) = (shape(of: x), shape(of: weight))
    try require(
      sums.rank == 3 && square.rank == 2 && sums[2] == square[0] && square[0] == cell.gates * square[1],
      "sums [steps, batch, \(cell.gates)·hidden] and a weight [\(cell.gates)·hidden, hidden] for \(cell)",
      "\(sums) and \(square)")
    if let bias {
      try require(
        cell == .gru && shape(of: bias) == [sums[2]], "a bias [\(sums[2])] for gru, none for other cells",
        "one of \(shape(of: bias)) for \(cell)")
    }
    let form = RecurrentForm(
      cell: cell, steps: sums[0], batch: sums[1], hidden: square[1], isReversed: isReversed,
      usesBias: bias != nil)
    let packed = append(.recurrent(form), [x, weight] + (bias.map { [$0] } ?? []), [form.resultCount])
    return view(packed, offset: 0, [form.steps, form.batch, form.hidden])
  }

  /// From the gradient of the packed result of all time steps, those of the sums' input parts, of the weight and
  /// of the bias. What the weight's and the bias' take is one sum over all steps.
  mutating func gradients(
    ofRecurrent form: RecurrentForm, _ packed: Node, _ dy: Node, _ operands: [Node]
  ) -> [Node?] {
    // Only the states are read, so dy is zeros behind their gradient.
    let states = records[dy.index].operands.first { shape(of: $0).count == form.stateCount } ?? dy
    let dx = append(.recurrentGradient(form), [packed, states, operands[1]], [form.gradientCount])
    let dw = append(.recurrentWeightGradient(form), [packed, dx], shape(of: operands[1]))
    let du = view(
      dx, offset: form.recurrentGradientOffset, [form.steps * form.batch, form.cell.gates * form.hidden])
    let db = operands.count > 2 ? append(.reduceSum(axis: 0), [du], shape(of: operands[2])) : nil
    return [view(dx, offset: 0, shape(of: operands[0])), dw, db]
  }
}
