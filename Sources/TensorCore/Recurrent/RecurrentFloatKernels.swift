import CKernels
import COneDNN

/// A step is one matrix product over the batch and one loop over its sums.
extension FloatKernels: RecurrentKernels {
  package static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output
  ) {
    let (b, n) = (form.batch, form.hidden)
    // The products' place in a step, and the elements from one row of it to the next.
    let columns = form.cell.activation == nil ? 4 * n : n
    let sums = form.cell.activation == nil ? y + form.gatesOffset : y
    for position in 0..<form.steps {
      let step = form.step(at: position)
      let previous = position == 0 ? nil : form.step(at: position - 1)
      let (x, u, h) = (x + step * form.stepSumCount, sums + step * b * columns, y + step * form.stepCount)
      let previousH = previous.map { UnsafePointer(y + $0 * form.stepCount) }
      if let previousH {
        recurrentProduct(form, previousH, weight, transposed: true, addsTo: false, u, columns)
      }
      switch form.cell {
      case .tanh, .relu:
        lockstep_rnn_step(simple(form), x, bias, previousH == nil ? nil : UnsafePointer(u), h, b, n)
      case .lstm:
        let c = y + form.cellOffset
        let previousC = previous.map { UnsafePointer(c + $0 * form.stepCount) }
        lockstep_lstm_step(x, bias, previousC, u, c + step * form.stepCount, h, b, n)
      case .gru: lockstep_gru_step(x, bias, previousH, u, h, b, n)
      }
    }
  }

  package static func recurrentGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Input, weight: Input, _ dx: Output, scratch: Output
  ) {
    let (b, n) = (form.batch, form.hidden)
    let (carriedH, carriedC) = (scratch, scratch + form.stepCount)
    scratch.update(repeating: 0, count: form.scratchCount)
    for position in (0..<form.steps).reversed() {
      let step = form.step(at: position)
      let previous = position == 0 ? nil : form.step(at: position - 1)
      let (d, dh) = (dx + step * form.stepSumCount, dh + step * form.stepCount)
      let du = d + form.recurrentGradientOffset
      let gates = y + form.gatesOffset + step * 4 * form.stepCount
      switch form.cell {
      case .tanh, .relu:
        lockstep_rnn_step_gradient(simple(form), y + step * form.stepCount, dh, carriedH, d, form.stepCount)
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
      if previous != nil {
        recurrentProduct(
          form, du, weight, transposed: false, addsTo: form.cell == .gru, carriedH, form.hidden)
      }
    }
  }

  private static func simple(_ form: RecurrentForm) -> lockstep_activation {
    form.cell.activation?.kernel ?? lockstep_activation_none
  }

  /// A step's rows times U: states [B, H] · Uᵀ, or gradients of sums [B, G·H] · U. `columns`: from one row of the
  /// result to the next.
  private static func recurrentProduct(
    _ form: RecurrentForm, _ rows: Input, _ weight: Input, transposed: Bool, addsTo: Bool, _ y: Output,
    _ columns: Int
  ) {
    let sums = form.cell.gates * form.hidden
    let (depth, width) = transposed ? (form.hidden, sums) : (sums, form.hidden)
    let status = dnnl_sgemm(
      CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: transposed ? "T" : "N")),
      dnnl_dim_t(form.batch), dnnl_dim_t(width), dnnl_dim_t(depth), 1, rows, dnnl_dim_t(depth),
      weight, dnnl_dim_t(form.hidden), addsTo ? 1 : 0, y, dnnl_dim_t(columns))
    precondition(status == dnnl_success, "oneDNN refused a product of \(form): status \(status.rawValue)")
  }
}
