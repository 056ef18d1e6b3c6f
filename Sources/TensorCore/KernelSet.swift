/// What all families of kernels have in common: their numbers, and how memory is handed to them.
package protocol KernelBase {
  associatedtype Scalar: BinaryFloatingPoint & BitwiseCopyable
  typealias Input = UnsafePointer<Scalar>
  typealias Output = UnsafeMutablePointer<Scalar>
  typealias Labels = UnsafePointer<Int32>
}

/// The arithmetic of the tensor core: everything that a plan's instructions can ask for. Each family of
/// kernels has a protocol of its own.
///
/// There are two sets: `FloatKernels`, the fast one, and `ReferenceKernels`, plain loops over any
/// floating-point type, which tests hold the fast one to and in which gradients are checked in `Double`.
/// Tensors are dense, the last extent varying fastest. Letters: n elements, r rows, c columns.
package protocol KernelSet: BasicKernels, LossKernels, DropoutKernels, NormalizationKernels, EmbeddingKernels,
  AttentionKernels, RecurrentKernels, ConvolutionKernels, ImageKernels, PoolingKernels,
  BatchNormalizationKernels
{}

/// Products, element-wise arithmetic, and what moves or sums whole axes.
package protocol BasicKernels: KernelBase {
  /// y[rows, columns] = activation(op(a)[rows, depth] · op(b)[depth, columns] + bias[columns]), exactly as the product
  /// with `biasActivate` behind it; either of both may be missing.
  ///
  /// - Parameter scratch: `form.scratchCount` elements.
  static func matrixProduct(
    _ form: MatrixForm, _ a: Input, _ b: Input, bias: Input?, activation: Activation?, _ y: Output,
    scratch: Output)
  /// y[r, c] = activation(y[r, c] + bias[c]), in place; either part may be missing.
  static func biasActivate(_ activation: Activation?, _ bias: Input?, _ y: Output, _ r: Int, _ c: Int)
  /// y[r, c] += bias[c] + residual[r, c], in place; the bias may be missing.
  static func addBiasAndResidual(_ bias: Input?, _ residual: Input, _ y: Output, _ r: Int, _ c: Int)
  static func activate(_ activation: Activation, _ x: Input, _ y: Output, _ n: Int)
  /// dx = dy · activation′, told from the activation's output y, or from its input x where
  /// `gradientReadsInput`.
  static func activationGradient(_ activation: Activation, _ from: Input, _ dy: Input, _ dx: Output, _ n: Int)

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
  /// `rows` runs of `length` elements; the starts of runs are so many elements apart in x and in y.
  static func copyRuns(_ x: Input, _ y: Output, rows: Int, length: Int, xStride: Int, yStride: Int)
  /// y[o, b, m, a, i] = x[o, a, m, b, i]: two axes change places.
  static func transpose(_ form: TransposeForm, _ x: Input, _ y: Output)
  /// y[r, c] = (c == label[r]) ? 1 : 0
  static func oneHot(_ labels: Labels, _ y: Output, _ r: Int, _ c: Int)

  /// Whether every element is a number and of a magnitude that 2¹⁶ shards can add without overflow.
  static func isSummable(_ x: Input, _ n: Int) -> Bool
}
