import CKernels
import OneDNNPrimitives

/// Which way a convolution runs: from x to y, or one of the gradients.
package enum ConvolutionDirection: CaseIterable, Sendable {
  case forward
  case inputGradient
  case weightGradient

  var kind: lockstep_convolution_kind {
    switch self {
    case .forward: lockstep_convolution_forward
    case .inputGradient: lockstep_convolution_input_gradient
    case .weightGradient: lockstep_convolution_weight_gradient
    }
  }
}

extension ConvolutionForm {
  /// Whether Winograd's algorithm (F(4×4, 3×3), Lavin and Gray 2016), in loops of our own, takes the place of
  /// oneDNN's direct sum.
  ///
  /// A rule of the form and the kind of processor alone, never of a race at run time, so that all ranks decide
  /// alike. Measured on AVX-512 against the faster of oneDNN 2.6's direct sum and its Winograd kernels, 16 to 128
  /// channels, images from 4×4 to 70×75: mostly 0.6 to 0.9 of the time in all directions.
  ///
  /// Rounding errors, in parts of the result's root mean square: 4.6e-7 to 8.2e-7 (16 to 64 channels) where the
  /// direct sum has 1.8e-7 to 2.2e-7; of the gradient of the weights 6e-7 to 1.4e-6 where it has 1e-6 to 4e-6.
  package func usesWinograd(_ direction: ConvolutionDirection) -> Bool {
    guard ActivationLayout.block == 16, inputBlock == 16, outputBlock == 16, groups == 1, kernel == 3,
      stride == 1,
      dilation == 1, padding.height <= 2, padding.width <= 2
    else { return false }
    return fitsTiles(direction == .inputGradient ? input : output)
  }

  /// Whether tiles of 4×4 stick out so little over images of this size that less is multiplied. With few channels
  /// the transforms weigh more.
  private func fitsTiles(_ size: Size2D) -> Bool {
    let covered = ((size.height + 3) & ~3) * ((size.width + 3) & ~3)
    let isWide = min(inputChannels, outputChannels) >= 32
    return 10 * covered <= (isWide ? 18 : 13) * size.area
  }

  /// Elements of scratch memory that the fast kernel of a direction needs while it runs.
  package func scratchCount(_ direction: ConvolutionDirection) -> Int {
    usesWinograd(direction) ? lockstep_winograd_scratch(winograd(direction)) : 0
  }

  /// The same for the C interface. The gradient of the weights is made of forward's tiles.
  func winograd(_ direction: ConvolutionDirection) -> lockstep_winograd {
    let output = output
    guard direction == .inputGradient else {
      return lockstep_winograd(
        batch: batch, source_channels: inputChannels, source_height: input.height, source_width: input.width,
        result_channels: outputChannels, result_height: output.height, result_width: output.width,
        padding_height: padding.height, padding_width: padding.width, is_backward: 0)
    }
    return lockstep_winograd(
      batch: batch, source_channels: outputChannels, source_height: output.height, source_width: output.width,
      result_channels: inputChannels, result_height: input.height, result_width: input.width,
      padding_height: kernel.height - 1 - padding.height, padding_width: kernel.width - 1 - padding.width,
      is_backward: 1)
  }
}
