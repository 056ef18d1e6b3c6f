import CKernels
import COneDNN

/// A matrix in memory: where it begins, how many elements lie between the starts of its rows, and whether it is
/// meant transposed.
struct MatrixOperand {
  var base: UnsafePointer<Float>
  var stride: Int
  var isTransposed = false
}

/// Matrix products by oneDNN or by our own loops, as `MatrixForm.kernel` says.
extension FloatKernels {
  package static func matrixProduct(
    _ form: MatrixForm, _ a: Input, _ b: Input, bias: Input?, activation: Activation?, _ y: Output,
    scratch: Output
  ) {
    let (rows, columns, depth) = (form.rows, form.columns, form.depth)
    let kernel = hasFastProducts && form.isLarge ? form.kernel : .oneDNN
    if kernel == .byRows {
      return lockstep_product(
        rows, columns, depth, a, b, bias, activation?.kernel ?? lockstep_activation_none, y, scratch)
    }
    if kernel == .shallow {
      lockstep_shallow_product(rows, columns, depth, a, b, y, scratch)
    } else {
      multiply(form, a, b, y)
    }
    if bias != nil || activation != nil { biasActivate(activation, bias, y, rows, columns) }
  }

  /// Whether our own loops are the faster ones here: they are written for AVX-512, and for one thread.
  package static var hasFastProducts: Bool {
    lockstep_has_wide_products() != 0 && ComputeLibrary.threads == 1
  }

  /// y = op(a) · op(b) by oneDNN.
  private static func multiply(_ form: MatrixForm, _ a: Input, _ b: Input, _ y: Output) {
    let left = MatrixOperand(
      base: a, stride: form.transposeA ? form.rows : form.depth, isTransposed: form.transposeA)
    let right = MatrixOperand(
      base: b, stride: form.transposeB ? form.depth : form.columns, isTransposed: form.transposeB)
    guard form.transposeA, !form.transposeB, form.depth > deepest else {
      return multiply(
        left, right, rows: form.rows, columns: form.columns, depth: form.depth, y, stride: form.columns)
    }
    multiplyInParts(left, right, rows: form.rows, columns: form.columns, depth: form.depth, y)
  }

  /// Products with a transposed left side that sum over more than this are made in parts.
  private static var deepest: Int { 1024 }

  /// y = aᵀ · b, where the rows of a and b are summed over 512 at a time: oneDNN's product slows down where more
  /// is summed over (measured: 138 GFLOP/s with 512 rows, 117 with 2,016).
  static func multiplyInParts(
    _ a: MatrixOperand, _ b: MatrixOperand, rows: Int, columns: Int, depth: Int, _ y: Output
  ) {
    for start in stride(from: 0, to: depth, by: 512) {
      var (left, right) = (a, b)
      left.base += start * a.stride
      right.base += start * b.stride
      multiply(
        left, right, rows: rows, columns: columns, depth: min(512, depth - start), adding: start > 0, y,
        stride: columns)
    }
  }

  /// y[rows, columns] = a · b, or y + a · b.
  static func multiply(
    _ a: MatrixOperand, _ b: MatrixOperand, rows: Int, columns: Int, depth: Int, adding: Bool = false,
    _ y: Output, stride: Int
  ) {
    let status = dnnl_sgemm(
      CChar(UInt8(ascii: a.isTransposed ? "T" : "N")), CChar(UInt8(ascii: b.isTransposed ? "T" : "N")),
      dnnl_dim_t(rows), dnnl_dim_t(columns), dnnl_dim_t(depth), 1, a.base, dnnl_dim_t(a.stride), b.base,
      dnnl_dim_t(b.stride), adding ? 1 : 0, y, dnnl_dim_t(stride))
    precondition(
      status == dnnl_success,
      "oneDNN refused a product [\(rows), \(depth)] · [\(depth), \(columns)]: status \(status.rawValue)")
  }
}
