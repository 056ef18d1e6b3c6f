import CKernels

/// The extents of a batch normalization, and how its operand lies in memory.
///
/// x [batch, channels, spatial] → y of the same shape. With the mean μ and the biased variance σ² of each
/// channel, which are the statistics, [2, channels]:
///
///     y[n, c, s] = (x[n, c, s] − μ[c]) / √(σ²[c] + ε) · weight[c] + bias[c]
///
/// Ioffe and Szegedy, 2015. The statistics are an operand: those of the batch in training, running ones
/// otherwise.
package struct BatchNormalizationForm: Hashable, Sendable {
  package var batch: Int
  package var channels: Int
  /// The values that a sample has of each channel: 1 where x is [batch, channels].
  package var spatial: Int
  /// 0 where x is plain; otherwise 8 or 16, and so many channels lie together:
  /// [batch, channels / block, spatial, block].
  package var block = 0
  package var epsilon: Double
  /// y = … + another tensor of x's shape; before any ReLU.
  package var addsResidual = false
  /// y = max(0, …); gradients then arrive behind that.
  package var appliesReLU = false

  package init(
    batch: Int, channels: Int, spatial: Int = 1, block: Int = 0, epsilon: Double = 1e-5,
    appliesReLU: Bool = false
  ) {
    precondition(block == 0 || channels % block == 0, "\(channels) channels do not fill blocks of \(block)")
    self.batch = batch
    self.channels = channels
    self.spatial = spatial
    self.block = block
    self.epsilon = epsilon
    self.appliesReLU = appliesReLU
  }

  /// The elements of x.
  package var count: Int { batch * channels * spatial }

  /// The values that a channel's statistics are made of.
  package var valuesPerChannel: Int { batch * spatial }

  /// The position of an element of x.
  package func offset(_ n: Int, _ c: Int, _ s: Int) -> Int {
    guard block > 0 else { return (n * channels + c) * spatial + s }
    return ((n * (channels / block) + c / block) * spatial + s) * block + c % block
  }

  var kernel: lockstep_batch_normalization {
    lockstep_batch_normalization(
      batch: batch, channels: channels, spatial: spatial, block: block, epsilon: Float(epsilon),
      relu: appliesReLU ? 1 : 0)
  }
}
