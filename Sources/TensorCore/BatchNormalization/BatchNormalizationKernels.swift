import CKernels

/// Batch normalization in both directions, in parts: statistics and sums are tensors of their own, so that they
/// could also be those of several shards together.
package protocol BatchNormalizationKernels: KernelBase {
  /// statistics[2, channels] = the mean and the biased variance of each channel.
  static func channelStatistics(_ form: BatchNormalizationForm, _ x: Input, _ statistics: Output)
  /// y = (x − mean) / √(variance + ε) · weight + bias, plus `added` and through ReLU where the form says so.
  static func normalize(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    added: Input?, _ y: Output)
  /// sums[2, channels] = Σ dy · x̂, which is the weight's gradient, and Σ dy, the bias's; x̂ is x normalized.
  static func normalizeSums(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Output)
  /// dx where the statistics are x's own: weight / √(variance + ε) · (dy − mean of dy − x̂ · mean of dy · x̂).
  static func normalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Input, _ dx: Output)
  /// dx where the statistics are constants: weight / √(variance + ε) · dy.
  static func frozenNormalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ dx: Output)
}

extension ReferenceKernels: BatchNormalizationKernels {
  package static func channelStatistics(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Output
  ) {
    let count = Scalar(form.valuesPerChannel)
    for c in 0..<form.channels {
      var (mean, variance): (Scalar, Scalar) = (0, 0)
      forEachValue(form, c) { mean += x[$0] / count }
      forEachValue(form, c) { variance += (x[$0] - mean) * (x[$0] - mean) / count }
      statistics[c] = mean
      statistics[form.channels + c] = variance
    }
  }

  package static func normalize(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    added: Input?, _ y: Output
  ) {
    for c in 0..<form.channels {
      forEachValue(form, c) {
        var value = normalized(form, x[$0], statistics, c) * weight[c] + bias[c]
        if form.addsResidual, let added { value += added[$0] }
        y[$0] = form.appliesReLU && value <= 0 ? 0 : value
      }
    }
  }

  package static func normalizeSums(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Output
  ) {
    for c in 0..<form.channels {
      (sums[c], sums[form.channels + c]) = (0, 0)
      forEachValue(form, c) {
        let unit = normalized(form, x[$0], statistics, c)
        guard !form.appliesReLU || !(unit * weight[c] + bias[c] <= 0) else { return }
        sums[c] += dy[$0] * unit
        sums[form.channels + c] += dy[$0]
      }
    }
  }

  package static func normalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Input, _ dx: Output
  ) {
    let count = Scalar(form.valuesPerChannel)
    for c in 0..<form.channels {
      let factor = weight[c] / deviation(form, statistics, c)
      forEachValue(form, c) {
        let unit = normalized(form, x[$0], statistics, c)
        let arriving = form.appliesReLU && unit * weight[c] + bias[c] <= 0 ? 0 : dy[$0]
        dx[$0] = factor * (arriving - sums[form.channels + c] / count - unit * sums[c] / count)
      }
    }
  }

  package static func frozenNormalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ dx: Output
  ) {
    for c in 0..<form.channels {
      let factor = weight[c] / deviation(form, statistics, c)
      forEachValue(form, c) {
        let value = normalized(form, x[$0], statistics, c) * weight[c] + bias[c]
        dx[$0] = form.appliesReLU && value <= 0 ? 0 : factor * dy[$0]
      }
    }
  }

  private static func forEachValue(_ form: BatchNormalizationForm, _ c: Int, _ body: (Int) -> Void) {
    for n in 0..<form.batch {
      for s in 0..<form.spatial { body(form.offset(n, c, s)) }
    }
  }

  private static func deviation(_ form: BatchNormalizationForm, _ statistics: Input, _ c: Int) -> Scalar {
    (statistics[form.channels + c] + Scalar(form.epsilon)).squareRoot()
  }

  private static func normalized(
    _ form: BatchNormalizationForm, _ x: Scalar, _ statistics: Input, _ c: Int
  ) -> Scalar {
    (x - statistics[c]) / deviation(form, statistics, c)
  }
}

extension FloatKernels: BatchNormalizationKernels {
  package static func channelStatistics(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Output
  ) {
    lockstep_channel_statistics(form.kernel, x, statistics)
  }

  package static func normalize(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    added: Input?, _ y: Output
  ) {
    lockstep_normalize(form.kernel, x, statistics, weight, bias, form.addsResidual ? added : nil, y)
  }

  package static func normalizeSums(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Output
  ) {
    lockstep_normalize_sums(form.kernel, x, statistics, weight, bias, dy, sums)
  }

  package static func normalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ sums: Input, _ dx: Output
  ) {
    lockstep_normalize_gradient(form.kernel, x, statistics, weight, bias, dy, sums, dx)
  }

  package static func frozenNormalizeGradient(
    _ form: BatchNormalizationForm, _ x: Input, _ statistics: Input, _ weight: Input, _ bias: Input,
    _ dy: Input,
    _ dx: Output
  ) {
    lockstep_normalize_frozen_gradient(form.kernel, x, statistics, weight, bias, dy, dx)
  }
}
