import TensorCore

/// Convolutions with all that their forms ask for: which operand is what follows from the form.
extension Executor {
  typealias Place = UnsafeMutablePointer<Scalar>

  /// x, weight; bias; statistics, weight and bias of a normalization.
  static func convolve(
    _ form: ConvolutionForm, _ operands: (Place, Place, Place, Place, Place, Place), _ y: Place,
    _ primitive: PrimitiveSlot, _ scratch: Place
  ) {
    let (x, weight, c, d, e, f) = operands
    var extras = ConvolutionExtras<Scalar>(bias: form.addsBias ? UnsafePointer(c) : nil)
    if form.normalization != nil { extras.setNormalization(form.addsBias ? (d, e, f) : (c, d, e)) }
    Kernels.convolution(form, x, weight, extras, y, primitive: primitive, scratch: scratch)
  }

  /// dy, weight; what is added; the result of a ReLU.
  static func convolveBack(
    _ form: ConvolutionForm, _ operands: (Place, Place, Place, Place), _ dx: Place,
    _ primitive: PrimitiveSlot,
    _ scratch: Place
  ) {
    let (dy, weight, c, d) = operands
    var extras = ConvolutionExtras<Scalar>.none
    if form.addsToGradient { extras.added = UnsafePointer(c) }
    if form.stopsAtReLU { extras.passing = UnsafePointer(form.addsToGradient ? d : c) }
    Kernels.convolutionInputGradient(form, dy, weight, extras, dx, primitive: primitive, scratch: scratch)
  }

  /// x, dy; statistics, weight and bias of a normalization.
  static func convolveForWeight(
    _ form: ConvolutionForm, _ operands: (Place, Place, Place, Place, Place), _ dweight: Place,
    _ primitive: PrimitiveSlot, _ scratch: Place
  ) {
    let (x, dy, c, d, e) = operands
    var extras = ConvolutionExtras<Scalar>.none
    if form.normalization != nil { extras.setNormalization((c, d, e)) }
    Kernels.convolutionWeightGradient(form, x, dy, extras, dweight, primitive: primitive, scratch: scratch)
  }
}
