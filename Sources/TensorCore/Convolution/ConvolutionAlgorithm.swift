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
  /// Whether Winograd's algorithm (F(4×4, 3×3), Lavin and Gray 2016) takes the place of the direct sum.
  ///
  /// A rule of the form alone, never of a race at run time, so that all ranks decide alike. Measured with
  /// oneDNN 2.6 on AVX-512, batch 64, 16 to 64 channels:
  /// - the gradient of the weights takes 0.5 to 0.9 of the direct sum's time, and 0.2 to 0.7 of its rounding error;
  /// - forward and the gradient of the input take 0.55 to 0.8 of the time from 32 channels on, where tiles of
  ///   4×4 pixels do not stick out much; their rounding error is 2.4 to 5.6 times the direct sum's: 4e-7 to 8e-7 of
  ///   the result's root mean square against 1.5e-7 to 2.1e-7.
  package func usesWinograd(_ direction: ConvolutionDirection) -> Bool {
    guard inputBlock == 16, outputBlock == 16, groups == 1, kernel == 3, stride == 1, dilation == 1 else {
      return false
    }
    let isWide = min(inputChannels, outputChannels) >= 32
    return switch direction {
    case .forward: isWide && fitsTiles(output)
    case .inputGradient: isWide && fitsTiles(input)
    case .weightGradient: true
    }
  }

  /// Whether whole tiles of 4×4 cover at most 1.3 times the image.
  private func fitsTiles(_ size: Size2D) -> Bool {
    let covered = ((size.height + 3) & ~3) * ((size.width + 3) & ~3)
    return 10 * covered <= 13 * size.area
  }
}
