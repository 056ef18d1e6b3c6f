import CKernels

/// Layer and RMS normalization over the last axis. The backward kernels tell means and variances from x anew.
package protocol NormalizationKernels: KernelBase {
  /// y = (x − mean)/√(variance + epsilon) · weight + bias; x, y [rows, columns], weight, bias [columns]. The
  /// variance is the biased one. Without centering there is no mean: Σ x²/columns takes the variance's place.
  static func normalize(_ form: NormalizationForm, _ x: Input, _ weight: Input, _ bias: Input?, _ y: Output)
  /// dx = carried + the gradient of x; `carried` is nil where there is no other gradient to add. dx may be dy, carried
  /// or x.
  static func normalizeInputGradient(
    _ form: NormalizationForm, _ x: Input, _ weight: Input, _ dy: Input, _ carried: Input?, _ dx: Output)
  /// The gradients of weight and, where there is one, bias, one behind the other: sums[0, c] = Σ_r dy · normalized x,
  /// sums[1, c] = Σ_r dy, the rows in their order.
  static func normalizeSums(_ form: NormalizationForm, _ x: Input, _ dy: Input, _ sums: Output)
}

extension ReferenceKernels: NormalizationKernels {
  package static func normalize(
    _ form: NormalizationForm, _ x: Input, _ weight: Input, _ bias: Input?, _ y: Output
  ) {
    for row in 0..<form.rows {
      let (normalized, _) = normalizedRow(form, x + row * form.columns)
      for column in 0..<form.columns {
        y[row * form.columns + column] = normalized[column] * weight[column] + (bias?[column] ?? 0)
      }
    }
  }

  package static func normalizeInputGradient(
    _ form: NormalizationForm, _ x: Input, _ weight: Input, _ dy: Input, _ carried: Input?, _ dx: Output
  ) {
    let count = Scalar(form.columns)
    for row in 0..<form.rows {
      let start = row * form.columns
      let (normalized, scale) = normalizedRow(form, x + start)
      let g = (0..<form.columns).map { dy[start + $0] * weight[$0] }
      let mean = form.isCentered ? g.reduce(0, +) / count : 0
      let slope = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 } / count
      for column in 0..<form.columns {
        let other = carried?[start + column] ?? 0
        dx[start + column] = other + scale * (g[column] - mean - normalized[column] * slope)
      }
    }
  }

  package static func normalizeSums(_ form: NormalizationForm, _ x: Input, _ dy: Input, _ sums: Output) {
    for index in 0..<form.sumCount { sums[index] = 0 }
    for row in 0..<form.rows {
      let (normalized, _) = normalizedRow(form, x + row * form.columns)
      for column in 0..<form.columns {
        let arriving = dy[row * form.columns + column]
        sums[column] += arriving * normalized[column]
        if form.hasBias { sums[form.columns + column] += arriving }
      }
    }
  }

  /// (x − mean) · scale, and scale = 1/√(variance + epsilon).
  private static func normalizedRow(_ form: NormalizationForm, _ x: Input) -> ([Scalar], Scalar) {
    let row = (0..<form.columns).map { x[$0] }
    let mean = form.isCentered ? row.reduce(0, +) / Scalar(form.columns) : 0
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Scalar(form.columns)
    let scale = 1 / (variance + Scalar(form.epsilon)).squareRoot()
    return (row.map { ($0 - mean) * scale }, scale)
  }
}

extension FloatKernels: NormalizationKernels {
  package static func normalize(
    _ form: NormalizationForm, _ x: Input, _ weight: Input, _ bias: Input?, _ y: Output
  ) {
    lockstep_normalize_rows(form.kernel, x, weight, bias, y)
  }

  package static func normalizeInputGradient(
    _ form: NormalizationForm, _ x: Input, _ weight: Input, _ dy: Input, _ carried: Input?, _ dx: Output
  ) {
    lockstep_normalize_rows_input_gradient(form.kernel, x, weight, dy, carried, dx)
  }

  package static func normalizeSums(_ form: NormalizationForm, _ x: Input, _ dy: Input, _ sums: Output) {
    lockstep_normalize_rows_sums(form.kernel, x, dy, sums, form.hasBias ? sums + form.columns : nil)
  }
}

extension NormalizationForm {
  /// The elements of the gradients of weight and bias together.
  package var sumCount: Int { hasBias ? 2 * columns : columns }

  fileprivate var kernel: lockstep_normalization {
    lockstep_normalization(
      rows: rows, columns: columns, epsilon: Float(epsilon), is_centered: isCentered ? 1 : 0)
  }
}
