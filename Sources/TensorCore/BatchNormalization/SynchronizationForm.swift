/// What the shards of a batch tell each other in the middle of a pass: where batch normalization is synchronized,
/// each shard gives a vector of its own, [2, channels], and gets what all of them together make.
package struct SynchronizationForm: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Forward: from the mean and the biased variance of a shard's values to those of the whole batch and, third,
    /// the variance as it is estimated for all samples, over n − 1: [3, channels].
    case statistics
    /// Backward: from a shard's sums to those over the whole batch times n / N, with n values of a channel in the
    /// shard and N in the batch: what is divided by n afterwards is then a mean over the batch. [2, channels]
    case sums
  }

  package var kind: Kind
  package var channels: Int
  /// The values that a sample has of each channel.
  package var valuesPerSample: Int

  package init(_ kind: Kind, channels: Int, valuesPerSample: Int) {
    self.kind = kind
    self.channels = channels
    self.valuesPerSample = valuesPerSample
  }

  /// Elements of what a shard gives.
  package var ownCount: Int { 2 * channels }

  /// Elements of what it gets.
  package var wholeCount: Int { kind == .statistics ? 3 * channels : 2 * channels }
}
