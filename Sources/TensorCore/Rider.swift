/// What travels behind the gradients: sums over the samples of a shard, which the averaging adds up with
/// everything else, at no collective of their own.
package enum Rider: Int, CaseIterable, Sendable {
  /// The sum of the samples' losses.
  case loss
  /// The number of samples.
  case samples
  /// The number of samples that are classified correctly.
  case correct
  /// The number of gradients that are not finite, or too large to be summed.
  case faults
  /// The number of ranks that were asked to stop.
  case stop
  /// The number of shards.
  case shards
  /// Above 0 where rank 0 wants the state saved after this step.
  case save

  /// The room they take, whole vectors.
  package static let room = 16
}
