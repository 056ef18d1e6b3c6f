import CKernels

/// A step is one matrix product over the batch and one loop over its sums.
extension FloatKernels: RecurrentKernels {
  package static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output, scratch: Output
  ) {
    let (b, n, sums) = (form.batch, form.hidden, form.cell.gates * form.hidden)
    // Transposed once, U is faster in every step than transposed by each product: 148 GFLOP/s against 113.
    transpose(TransposeForm(outer: 1, first: sums, middle: 1, second: n, inner: 1), weight, scratch)
    // The products go where the gates will be, which are `columns` a row.
    let columns = form.cell.activation == nil ? 4 * n : n
    let gates = form.cell.activation == nil ? y + form.gatesOffset : y
    for position in 0..<form.steps {
      let step = form.step(at: position)
      let previous = position == 0 ? nil : form.step(at: position - 1)
      let (x, u, h) = (x + step * form.stepSumCount, gates + step * b * columns, y + step * form.stepCount)
      let previousH = previous.map { UnsafePointer(y + $0 * form.stepCount) }
      if let previousH {
        multiply(
          .init(base: previousH, stride: n), .init(base: scratch, stride: sums), rows: b, columns: sums,
          depth: n, u, stride: columns)
      }
      switch form.cell {
      case .tanh, .relu:
        lockstep_rnn_step(form.kernel, x, previousH == nil ? nil : UnsafePointer(u), h, form.stepCount)
      case .lstm:
        let c = y + form.cellOffset
        lockstep_lstm_step(
          x, previous.map { c + $0 * form.stepCount }, u, c + step * form.stepCount, h, b, n)
      case .gru: lockstep_gru_step(x, bias, previousH, u, h, b, n)
      }
    }
  }

  package static func recurrentGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Input, weight: Input, _ dx: Output, scratch: Output
  ) {
    let (b, n, sums) = (form.batch, form.hidden, form.cell.gates * form.hidden)
    let (carriedH, carriedC) = (scratch, scratch + form.stepCount)
    scratch.update(repeating: 0, count: form.gradientScratchCount)
    for position in (0..<form.steps).reversed() {
      let step = form.step(at: position)
      let previous = position == 0 ? nil : form.step(at: position - 1)
      let (d, dh) = (dx + step * form.stepSumCount, dh + step * form.stepCount)
      let du = d + form.recurrentGradientOffset
      let gates = y + form.gatesOffset + step * 4 * form.stepCount
      switch form.cell {
      case .tanh, .relu:
        lockstep_rnn_step_gradient(form.kernel, y + step * form.stepCount, dh, carriedH, d, form.stepCount)
      case .lstm:
        let c = y + form.cellOffset
        lockstep_lstm_step_gradient(
          gates, c + step * form.stepCount, previous.map { c + $0 * form.stepCount }, dh, carriedH, carriedC,
          d,
          b, n)
      case .gru:
        lockstep_gru_step_gradient(
          gates, previous.map { y + $0 * form.stepCount }, dh, carriedH, d, du, b, n)
      }
      guard previous != nil else { break }
      // A GRU's loop leaves a part of the previous state's gradient there.
      multiply(
        .init(base: du, stride: sums), .init(base: weight, stride: n), rows: b, columns: n, depth: sums,
        adding: form.cell == .gru, carriedH, stride: n)
    }
  }

  package static func recurrentWeightGradient(
    _ form: RecurrentForm, _ y: Input, _ dx: Input, _ dw: Output
  ) {
    let (n, sums) = (form.hidden, form.cell.gates * form.hidden)
    guard form.steps > 1 else { return dw.update(repeating: 0, count: sums * n) }
    let du = dx + form.recurrentGradientOffset + form.firstStepWithPrevious * form.stepSumCount
    let h = y + form.firstPreviousStep * form.stepCount
    let rows = (form.steps - 1) * form.batch
    multiplyInParts(
      .init(base: du, stride: sums, isTransposed: true), .init(base: h, stride: n), rows: sums, columns: n,
      depth: rows, dw)
  }
}

extension RecurrentForm {
  fileprivate var kernel: lockstep_activation { cell.activation?.kernel ?? lockstep_activation_none }
}
