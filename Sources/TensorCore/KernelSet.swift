/// The arithmetic of the tensor core: everything that a plan's instructions can ask for.
///
/// There are two sets: `FloatKernels`, the fast one, and `ReferenceKernels`, plain loops over any
/// floating-point type, which tests hold the fast one to and in which gradients are checked in `Double`.
/// Tensors are dense, the last extent varying fastest. Letters: n elements, r rows, c columns.
package protocol KernelSet: PoolingKernels, BatchNormalizationKernels {
  /// y[rows, columns] = op(a)[rows, depth] · op(b)[depth, columns]
  static func matrixProduct(_ form: MatrixForm, _ a: Input, _ b: Input, _ y: Output)
  /// y[r, c] = activation(y[r, c] + bias[c]), in place; either part may be missing.
  static func biasActivate(_ activation: Activation?, _ bias: Input?, _ y: Output, _ r: Int, _ c: Int)
  static func activate(_ activation: Activation, _ x: Input, _ y: Output, _ n: Int)
  /// dx = dy · activation′, told from the activation's output y.
  static func activationGradient(_ activation: Activation, _ y: Input, _ dy: Input, _ dx: Output, _ n: Int)

  static func softmax(_ x: Input, _ y: Output, _ r: Int, _ c: Int)
  static func softmaxGradient(_ y: Input, _ dy: Input, _ dx: Output, _ r: Int, _ c: Int)

  static func add(_ a: Input, _ b: Input, _ y: Output, _ n: Int)
  static func multiply(_ a: Input, _ b: Input, _ y: Output, _ n: Int)
  static func scale(_ x: Input, _ factor: Scalar, _ y: Output, _ n: Int)
  static func copy(_ x: Input, _ y: Output, _ n: Int)
  static func fill(_ value: Scalar, _ y: Output, _ n: Int)
  /// y[outer, inner] = Σ x[outer, axis, inner]
  static func reduceSum(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int)
  /// y[outer, axis, inner] = x[outer, inner]
  static func broadcast(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int)
  /// y[r, c] = (c == label[r]) ? 1 : 0
  static func oneHot(_ labels: Labels, _ y: Output, _ r: Int, _ c: Int)

  /// Σ_r (log Σ_c exp x[r, c] − x[r, label[r]]): the sum of the samples' losses, not their mean.
  static func crossEntropy(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Scalar
  /// dx = factor · (softmax(x) − oneHot(labels))
  static func crossEntropyGradient(
    _ x: Input, _ labels: Labels, _ factor: Scalar, _ dx: Output, _ r: Int, _ c: Int)
  /// Σ_r (1/c) Σ_c (prediction − target)²: the sum of the samples' losses, not their mean.
  static func squaredError(_ prediction: Input, _ target: Input, _ r: Int, _ c: Int) -> Scalar
  /// dx = factor · (prediction − target)
  static func difference(_ prediction: Input, _ target: Input, _ factor: Scalar, _ dx: Output, _ n: Int)
  /// The rows whose largest element is the label's; of equal ones the first counts.
  static func countCorrect(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Int
  /// Whether every element is a number and of a magnitude that 2¹⁶ shards can add without overflow.
  static func isSummable(_ x: Input, _ n: Int) -> Bool
}

/// The extents of a matrix product, and which of its operands are stored transposed.
package struct MatrixForm: Hashable, Sendable {
  /// Of the result.
  package var rows: Int
  /// Of the result.
  package var columns: Int
  /// The extent that is summed over.
  package var depth: Int
  /// a is stored as [depth, rows].
  package var transposeA: Bool
  /// b is stored as [columns, depth].
  package var transposeB: Bool

  package init(rows: Int, columns: Int, depth: Int, transposeA: Bool = false, transposeB: Bool = false) {
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.transposeA = transposeA
    self.transposeB = transposeB
  }
}
