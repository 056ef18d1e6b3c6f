import CKernels

/// The fast kernels: matrix products and convolutions by oneDNN, everything else in fused C loops.
package enum FloatKernels: KernelSet, BasicKernels {
  package typealias Scalar = Float

  package static func biasActivate(
    _ activation: Activation?, _ bias: Input?, _ y: Output, _ r: Int, _ c: Int
  ) {
    lockstep_bias_activate(activation?.kernel ?? lockstep_activation_none, bias, y, r, c)
  }

  package static func addBiasAndResidual(
    _ bias: Input?, _ residual: Input, _ y: Output, _ r: Int, _ c: Int
  ) {
    lockstep_bias_residual(bias, residual, y, r, c)
  }

  package static func activate(_ activation: Activation, _ x: Input, _ y: Output, _ n: Int) {
    lockstep_activate(activation.kernel, x, y, n)
  }

  package static func activationGradient(
    _ activation: Activation, _ from: Input, _ dy: Input, _ dx: Output, _ n: Int
  ) {
    lockstep_activation_gradient(activation.kernel, from, dy, dx, n)
  }

  package static func softmax(_ x: Input, _ y: Output, _ r: Int, _ c: Int) { lockstep_softmax(x, y, r, c) }

  package static func softmaxGradient(_ y: Input, _ dy: Input, _ dx: Output, _ r: Int, _ c: Int) {
    lockstep_softmax_gradient(y, dy, dx, r, c)
  }

  package static func add(_ a: Input, _ b: Input, _ y: Output, _ n: Int) { lockstep_add(a, b, y, n) }

  package static func multiply(_ a: Input, _ b: Input, _ y: Output, _ n: Int) {
    lockstep_multiply(a, b, y, n)
  }

  package static func scale(_ x: Input, _ factor: Float, _ y: Output, _ n: Int) {
    lockstep_scale(x, factor, y, n)
  }

  package static func copy(_ x: Input, _ y: Output, _ n: Int) { y.update(from: x, count: n) }

  package static func fill(_ value: Float, _ y: Output, _ n: Int) { y.update(repeating: value, count: n) }

  package static func reduceSum(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int) {
    lockstep_reduce_sum(x, y, outer, axis, inner)
  }

  package static func broadcast(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int) {
    lockstep_broadcast(x, y, outer, axis, inner)
  }

  package static func copyRuns(
    _ x: Input, _ y: Output, rows: Int, length: Int, xStride: Int, yStride: Int
  ) {
    for row in 0..<rows { (y + row * yStride).update(from: x + row * xStride, count: length) }
  }

  package static func transpose(_ form: TransposeForm, _ x: Input, _ y: Output) {
    lockstep_transpose(x, y, form.outer, form.first, form.middle, form.second, form.inner)
  }

  package static func oneHot(_ labels: Labels, _ y: Output, _ r: Int, _ c: Int) {
    y.update(repeating: 0, count: r * c)
    for row in 0..<r { y[row * c + Int(labels[row])] = 1 }
  }

  package static func isSummable(_ x: Input, _ n: Int) -> Bool {
    lockstep_largest_magnitude(x, n) <= (Float.greatestFiniteMagnitude / 65536).bitPattern
  }
}
