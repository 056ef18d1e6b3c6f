import CKernels

/// A table's rows, taken by number.
package struct EmbeddingForm: Hashable, Sendable {
  /// How many rows are taken.
  package var rows: Int
  /// How many rows the table has.
  package var vocabulary: Int
  package var width: Int

  package init(rows: Int, vocabulary: Int, width: Int) {
    self.rows = rows
    self.vocabulary = vocabulary
    self.width = width
  }
}

/// Embedding. Indices are whole numbers kept as floats, [rows]; those outside 0..<vocabulary are the data
/// set's to refuse: the kernels trust them in release builds.
package protocol EmbeddingKernels: KernelBase {
  /// y[r, width] = table[indices[r], width]
  static func embedding(_ form: EmbeddingForm, _ indices: Input, _ table: Input, _ y: Output)
  /// dtable[v, width] = Σ dy[r, width] over the rows with indices[r] = v, in their order.
  static func embeddingGradient(_ form: EmbeddingForm, _ indices: Input, _ dy: Input, _ dtable: Output)
  /// y = 1 where x ≠ value, elsewhere 0: which tokens are not padding.
  static func differs(_ x: Input, from value: Scalar, _ y: Output, _ n: Int)
}

extension ReferenceKernels: EmbeddingKernels {
  package static func embedding(_ form: EmbeddingForm, _ indices: Input, _ table: Input, _ y: Output) {
    for row in 0..<form.rows {
      for column in 0..<form.width {
        y[row * form.width + column] = table[form.token(indices[row]) * form.width + column]
      }
    }
  }

  package static func embeddingGradient(
    _ form: EmbeddingForm, _ indices: Input, _ dy: Input, _ dtable: Output
  ) {
    for i in 0..<form.vocabulary * form.width { dtable[i] = 0 }
    for row in 0..<form.rows {
      for column in 0..<form.width {
        dtable[form.token(indices[row]) * form.width + column] += dy[row * form.width + column]
      }
    }
  }

  package static func differs(_ x: Input, from value: Scalar, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = x[i] != value ? 1 : 0 }
  }
}

extension FloatKernels: EmbeddingKernels {
  package static func embedding(_ form: EmbeddingForm, _ indices: Input, _ table: Input, _ y: Output) {
    for row in 0..<form.rows {
      (y + row * form.width).update(from: table + form.token(indices[row]) * form.width, count: form.width)
    }
  }

  package static func embeddingGradient(
    _ form: EmbeddingForm, _ indices: Input, _ dy: Input, _ dtable: Output
  ) {
    dtable.update(repeating: 0, count: form.vocabulary * form.width)
    for row in 0..<form.rows {
      let sum = dtable + form.token(indices[row]) * form.width
      lockstep_add(sum, dy + row * form.width, sum, form.width)
    }
  }

  package static func differs(_ x: Input, from value: Float, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = x[i] != value ? 1 : 0 }
  }
}

extension EmbeddingForm {
  @inline(__always)
  fileprivate func token<Scalar: BinaryFloatingPoint>(_ index: Scalar) -> Int {
    let token = Int(index)
    assert(0 <= token && token < vocabulary, "token \(index) is not in 0..<\(vocabulary)")
    return token
  }
}
