import MessagePassing
import TensorCore

/// Lets the shards of a batch, whoever computes them, tell each other small vectors in the middle of a pass:
/// every rank gathers those of all shards and combines them by itself, all in the same order. So each has the
/// same bits, at any number of ranks and whatever adds up the gradients.
package final class ShardExchange {
  /// What one shard gives, and where what all make together is to lie.
  package typealias Places = (own: UnsafePointer<Float>, whole: UnsafeMutablePointer<Float>)

  private let communicator: any Communicator
  /// This rank's shards.
  private let run: Range<Int>
  private let shardCount: Int
  /// For each size of batch.
  private var statistics: [Int: ShardStatistics] = [:]
  /// For each number of channels, what each rank gathers from the others.
  private var slices: [Int: [Range<Int>]] = [:]
  /// [shards, 2, channels], as gathered and as worked on; and what is handed out.
  private let gathered: Arena<Float>
  private let combined: Arena<Double>
  private let result: Arena<Float>

  /// - Parameter channels: every number of channels that there will be.
  package init(_ communicator: any Communicator, shards: Shards, batchSizes: [Int], channels: Set<Int>) {
    self.communicator = communicator
    let runs = shards.ranges(ofRanks: communicator.size)
    run = runs[communicator.rank]
    shardCount = shards.count
    for batch in batchSizes {
      statistics[batch] = ShardStatistics(samples: shards.ranges(ofBatch: batch).map(\.count))
    }
    for channels in channels {
      slices[channels] = runs.map { 2 * channels * $0.lowerBound..<2 * channels * $0.upperBound }
    }
    let most = channels.max() ?? 0
    gathered = Arena(count: 2 * most * shards.count)
    combined = Arena(count: 2 * most * shards.count)
    result = Arena(count: 3 * most)
  }

  /// All ranks call it, those without samples in this batch too.
  ///
  /// - Parameters:
  ///   - batch: the samples of the batch, over all ranks.
  ///   - phase: told whenever one begins; the call begins and ends in `compute`.
  ///   - places: asked for each of this rank's shards that have samples, more than once.
  package func exchange(
    _ form: SynchronizationForm, batch: Int, phase: (StepPhase) -> Void, places: (_ shard: Int) -> Places
  ) throws(MessagePassingError) {
    guard let shards = statistics[batch], let slices = slices[form.channels] else {
      preconditionFailure("no plan for a batch of \(batch) and \(form.channels) channels")
    }
    let length = form.ownCount
    for shard in run where shards.samples[shard] > 0 {
      (gathered.base + shard * length).update(from: places(shard).own, count: length)
    }
    phase(.communication)
    try communicator.allgather(gathered.buffer(0..<shardCount * length), slices: slices)
    phase(.compute)
    for index in 0..<shardCount * length { combined.base[index] = Double(gathered.base[index]) }
    switch form.kind {
    case .statistics: handOutStatistics(form, shards, places)
    case .sums: handOutSums(form, shards, places)
    }
  }

  private func handOutStatistics(
    _ form: SynchronizationForm, _ shards: ShardStatistics, _ places: (Int) -> Places
  ) {
    let channels = form.channels
    let whole = shards.combineStatistics(
      combined.base, channels: channels, valuesPerSample: form.valuesPerSample)
    let count = Double(shards.batch * form.valuesPerSample)
    // As the variance of a single shard is scaled.
    let factor = Float(count / (count - 1))
    for channel in 0..<channels {
      let variance = Float(whole[channels + channel])
      result.base[channel] = Float(whole[channel])
      result.base[channels + channel] = variance
      result.base[2 * channels + channel] = variance * factor
    }
    for shard in run where shards.samples[shard] > 0 {
      places(shard).whole.update(from: result.base, count: form.wholeCount)
    }
  }

  private func handOutSums(
    _ form: SynchronizationForm, _ shards: ShardStatistics, _ places: (Int) -> Places
  ) {
    let whole = shards.add(combined.base, length: form.ownCount)
    for shard in run where shards.samples[shard] > 0 {
      let share = Double(shards.samples[shard]) / Double(shards.batch)
      let target = places(shard).whole
      for index in 0..<form.wholeCount { target[index] = Float(whole[index] * share) }
    }
  }
}
