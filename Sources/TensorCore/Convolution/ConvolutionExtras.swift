import CKernels

/// What a convolution reads beside its two operands, where its form says so.
package struct ConvolutionExtras<Scalar> {
  package typealias Input = UnsafePointer<Scalar>

  /// [output channels], of the forward pass.
  package var bias: Input?
  /// [2, input channels], where x is normalized: means and biased variances; and [input channels] each.
  package var statistics: Input?
  package var normalizationWeight: Input?
  package var normalizationBias: Input?
  /// Of the shape of x, for its gradient: what is added; dx may lie there.
  package var added: Input?
  /// Of the shape of x, for its gradient: the result of a ReLU; dx may lie there.
  package var passing: Input?

  package init(bias: Input? = nil) { self.bias = bias }

  /// Statistics, weight and bias.
  package mutating func setNormalization(
    _ tensors: (UnsafeMutablePointer<Scalar>, UnsafeMutablePointer<Scalar>, UnsafeMutablePointer<Scalar>)
  ) {
    statistics = UnsafePointer(tensors.0)
    normalizationWeight = UnsafePointer(tensors.1)
    normalizationBias = UnsafePointer(tensors.2)
  }

  package static var none: Self { Self() }
}

extension ConvolutionForm {
  /// x in its layout, to be normalized.
  func normalization(_ normalization: Normalization) -> BatchNormalizationForm {
    BatchNormalizationForm(
      batch: batch, channels: inputChannels, spatial: input.area, block: inputBlock,
      epsilon: normalization.epsilon, appliesReLU: normalization.appliesReLU)
  }
}

extension ConvolutionExtras<Float> {
  func normalization(_ form: ConvolutionForm) -> lockstep_winograd_normalization {
    guard let normalization = form.normalization else { return lockstep_winograd_normalization() }
    return lockstep_winograd_normalization(
      statistics: statistics, weight: normalizationWeight, bias: normalizationBias,
      epsilon: Float(normalization.epsilon), relu: normalization.appliesReLU ? 1 : 0)
  }
}
