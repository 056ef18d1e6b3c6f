import CKernels
import COneDNN

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
        product(rows: b, sums, depth: n, previousH, n, scratch, sums, adding: false, u, columns)
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
      product(rows: b, n, depth: sums, du, sums, weight, n, adding: form.cell == .gru, carriedH, n)
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
    // oneDNN's product slows down where more is summed over: 138 GFLOP/s with 512 rows, 117 with 2016.
    for start in stride(from: 0, to: rows, by: 512) {
      product(
        rows: sums, n, depth: min(512, rows - start), du + start * sums, sums, transposed: true,
        h + start * n, n,
        adding: start > 0, dw, n)
    }
  }

  /// y[rows, columns] = a · b, or y + a · b; behind each matrix stands how many elements lie between the starts of
  /// its rows.
  private static func product(
    rows: Int, _ columns: Int, depth: Int, _ a: Input, _ aStride: Int, transposed: Bool = false, _ b: Input,
    _ bStride: Int, adding: Bool, _ y: Output, _ yStride: Int
  ) {
    let status = dnnl_sgemm(
      CChar(UInt8(ascii: transposed ? "T" : "N")), CChar(UInt8(ascii: "N")), dnnl_dim_t(rows),
      dnnl_dim_t(columns), dnnl_dim_t(depth), 1, a, dnnl_dim_t(aStride), b, dnnl_dim_t(bStride),
      adding ? 1 : 0, y, dnnl_dim_t(yStride))
    precondition(
      status == dnnl_success,
      "oneDNN refused a product [\(rows), \(depth)] · [\(depth), \(columns)]: status \(status.rawValue)")
  }
}

extension RecurrentForm {
  fileprivate var kernel: lockstep_activation { cell.activation?.kernel ?? lockstep_activation_none }
}
