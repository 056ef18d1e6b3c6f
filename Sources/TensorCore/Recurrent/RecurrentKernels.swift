/// A recurrent layer without what is one matrix product over all time steps before it: Wx + b, or for other cells
/// than a GRU, Wx + b + b′. The letters are those of `RecurrentForm`.
package protocol RecurrentKernels: KernelBase {
  /// All time steps forward.
  ///
  /// - Parameters:
  ///   - x: Wx and what is added to it, for all steps, [T, B, G·H].
  ///   - weight: U, [G·H, H].
  ///   - bias: b′ [G·H], where the form uses one.
  ///   - y: `form.resultCount` elements; the states h [T, B, H] come first.
  ///   - scratch: `form.scratchCount` elements.
  static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output, scratch: Output)

  /// All time steps backward.
  ///
  /// - Parameters:
  ///   - y: what `recurrent` left.
  ///   - dh: the gradient of the states, [T, B, H].
  ///   - weight: U, [G·H, H].
  ///   - dx: `form.gradientCount` elements; the gradient of x [T, B, G·H] comes first.
  ///   - scratch: `form.gradientScratchCount` elements.
  static func recurrentGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Input, weight: Input, _ dx: Output, scratch: Output)

  /// The gradient of U, [G·H, H]: over all steps but the first, d(Uh′)ᵀ · h′.
  ///
  /// - Parameters:
  ///   - y: what `recurrent` left.
  ///   - dx: what `recurrentGradient` left.
  static func recurrentWeightGradient(_ form: RecurrentForm, _ y: Input, _ dx: Input, _ dw: Output)
}
