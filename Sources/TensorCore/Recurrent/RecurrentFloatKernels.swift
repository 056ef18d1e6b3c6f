import CKernels

/// A step is one matrix product over the batch and one loop over its sums.
extension FloatKernels: RecurrentKernels {
  package static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output, scratch: Output
  ) {
    let (b, n, sums) = (form.batch, form.hidden, form.cell.gates * form.hidden)
    let weight = StepWeight(weight, transposed: true, rows: sums, columns: n, scratch: scratch)
    // The products go where the gates will be, which are `columns` a row.
    let columns = form.cell.activation == nil ? 4 * n : n
    let gates = form.cell.activation == nil ? y + form.gatesOffset : y
    for position in 0..<form.steps {
      let step = form.step(at: position)
      let previous = position == 0 ? nil : form.step(at: position - 1)
      let (x, u, h) = (x + step * form.stepSumCount, gates + step * b * columns, y + step * form.stepCount)
      let previousH = previous.map { UnsafePointer(y + $0 * form.stepCount) }
      if let previousH {
        weight.multiply(previousH, rows: b, u, stride: columns, before: x, form.stepSumCount)
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
    scratch.update(repeating: 0, count: form.packedWeightOffset)
    let weight = StepWeight(
      weight, transposed: false, rows: sums, columns: n, scratch: scratch + form.packedWeightOffset)
    for done in 0..<form.steps {
      let position = form.steps - 1 - done
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
      let gatesBefore = previous.map { y + form.gatesOffset + $0 * 4 * form.stepCount }
      weight.multiply(
        du, rows: b, adding: form.cell == .gru, carriedH, stride: n, before: gatesBefore,
        form.cell.activation == nil ? 4 * form.stepCount : 0)
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

/// The right side of the products of all steps, U or Uᵀ, brought once into the order in which they read it.
private struct StepWeight {
  private let weight: UnsafePointer<Float>
  private let isPacked: Bool
  private let depth: Int
  private let columns: Int

  /// - Parameters:
  ///   - weight: [rows, columns].
  ///   - transposed: whether it is multiplied by transposed.
  ///   - scratch: room for it, whole vectors a row.
  init(
    _ weight: UnsafePointer<Float>, transposed: Bool, rows: Int, columns: Int,
    scratch: UnsafeMutablePointer<Float>
  ) {
    depth = transposed ? columns : rows
    self.columns = transposed ? rows : columns
    isPacked = FloatKernels.hasFastProducts && rows * columns >= 1024
    if isPacked {
      lockstep_pack(depth, self.columns, transposed ? 1 : 0, weight, scratch)
    } else if transposed {
      // Transposed once, it is faster in every step than transposed by each product: 148 GFLOP/s against 113.
      let form = TransposeForm(outer: 1, first: rows, middle: 1, second: columns, inner: 1)
      FloatKernels.transpose(form, weight, scratch)
    }
    self.weight = isPacked || transposed ? UnsafePointer(scratch) : weight
  }

  /// y [rows, columns] = (y +) a [rows, depth] · this
  ///
  /// - Parameters:
  ///   - next: what is read after this product, to be brought nearer meanwhile.
  ///   - count: its elements.
  func multiply(
    _ a: UnsafePointer<Float>, rows: Int, adding: Bool = false, _ y: UnsafeMutablePointer<Float>, stride: Int,
    before next: UnsafePointer<Float>?, _ count: Int
  ) {
    if isPacked {
      return lockstep_packed_product(
        rows, columns, depth, a, weight, adding ? 1 : 0, y, stride, next, count)
    }
    FloatKernels.multiply(
      .init(base: a, stride: depth), .init(base: weight, stride: columns), rows: rows, columns: columns,
      depth: depth, adding: adding, y, stride: stride)
  }
}

extension RecurrentForm {
  fileprivate var kernel: lockstep_activation { cell.activation?.kernel ?? lockstep_activation_none }
}
