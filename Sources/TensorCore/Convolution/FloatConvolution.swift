import CKernels

/// Convolutions by Winograd's algorithm where `usesWinograd` says so, and by oneDNN elsewhere. What is done to operands
/// and results on the way, apart from bias and ReLU, is asked only of the former.
extension FloatKernels {
  package static func convolution(
    _ form: ConvolutionForm, _ x: Input, _ weight: Input, _ extras: ConvolutionExtras<Float>, _ y: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    guard form.usesWinograd(.forward) else {
      runOneDNN(.forward, form, x, weight, form.addsBias ? extras.bias : nil, y, primitive)
      return
    }
    var finish = lockstep_winograd_finish()
    finish.bias = form.addsBias ? extras.bias : nil
    finish.relu = form.appliesReLU ? 1 : 0
    lockstep_winograd_convolve(
      form.winograd(.forward), extras.normalization(form), x, weight, finish, y, scratch)
  }

  package static func convolutionInputGradient(
    _ form: ConvolutionForm, _ dy: Input, _ weight: Input, _ extras: ConvolutionExtras<Float>, _ dx: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    guard form.usesWinograd(.inputGradient) else {
      runOneDNN(.inputGradient, form, dy, weight, nil, dx, primitive)
      return
    }
    var finish = lockstep_winograd_finish()
    finish.added = form.addsToGradient ? extras.added : nil
    finish.passing = form.stopsAtReLU ? extras.passing : nil
    lockstep_winograd_convolve(form.winograd(.inputGradient), .init(), dy, weight, finish, dx, scratch)
  }

  package static func convolutionWeightGradient(
    _ form: ConvolutionForm, _ x: Input, _ dy: Input, _ extras: ConvolutionExtras<Float>, _ dweight: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    guard form.usesWinograd(.weightGradient) else {
      runOneDNN(.weightGradient, form, x, dy, nil, dweight, primitive)
      return
    }
    lockstep_winograd_weight_gradient(
      form.winograd(.weightGradient), extras.normalization(form), x, dy, dweight, scratch)
  }
}
