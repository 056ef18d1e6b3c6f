/// A recurrent layer without what is one matrix product over all time steps: Wx + b before it, the gradients of
/// the weights behind it.
package protocol RecurrentKernels: KernelBase {
  /// All time steps forward. The letters are those of `RecurrentForm`.
  ///
  /// - Parameters:
  ///   - x: Wx + b for all steps, [T, B, G·H].
  ///   - weight: U, [G·H, H].
  ///   - bias: b′ [G·H], where the form uses one.
  ///   - y: `form.resultCount` elements; the states h [T, B, H] come first.
  static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output)

  /// All time steps backward.
  ///
  /// - Parameters:
  ///   - y: what `recurrent` left.
  ///   - dh: the gradient of the states, [T, B, H].
  ///   - weight: U, [G·H, H].
  ///   - dx: `form.gradientCount` elements; the gradient of Wx + b [T, B, G·H] comes first.
  ///   - scratch: `form.scratchCount` elements.
  static func recurrentGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Input, weight: Input, _ dx: Output, scratch: Output)
}
