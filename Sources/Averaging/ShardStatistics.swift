/// How what the shards of one batch know of each channel becomes what the whole batch knows: in the canonical
/// tree's order, in float64, so that the bits depend on the cut into shards only.
///
/// The shards' vectors, [2, channels], lie one behind the other in the order of the shards; those of shards
/// without samples are not read.
package struct ShardStatistics {
  /// The samples of each shard.
  package let samples: [Int]
  package let batch: Int
  private var steps: [Step] = []
  /// The shard in whose place the result of the last step is.
  private var last = 0

  /// What one shard's place holds joins what another's holds.
  private struct Step {
    let from: Int
    let into: Int
    /// How many samples each of them stands for by then.
    let fromSamples: Int
    let intoSamples: Int
  }

  package init(samples: [Int]) {
    self.samples = samples
    batch = samples.reduce(0, +)
    precondition(batch > 0, "a batch has samples")
    var steps: [Step] = []
    let whole = CanonicalTree.fold(
      0..<samples.count,
      leaf: { node in
        let shard = node.lowerBound
        if node.count > 1 { return .split }
        return samples[shard] > 0 ? .value((shard: shard, samples: samples[shard])) : .empty
      },
      add: { (left: (shard: Int, samples: Int), right: (shard: Int, samples: Int)) in
        steps.append(
          Step(
            from: right.shard, into: left.shard, fromSamples: right.samples, intoSamples: left.samples))
        return (left.shard, left.samples + right.samples)
      })
    self.steps = steps
    last = whole?.shard ?? 0
  }

  /// From the mean and the biased variance of each shard's values to those of all values; they come to lie
  /// where the returned pointer says. What the shards had is lost.
  ///
  /// With the sum of squared distances M = variance · n: Chan, Golub and LeVeque's update for two sets of values,
  /// mean = mean₁ + δ·n₂/n, M = M₁ + M₂ + δ²·n₁n₂/n, δ = mean₂ − mean₁, n = n₁ + n₂.
  package func combineStatistics(
    _ vectors: UnsafeMutablePointer<Double>, channels: Int, valuesPerSample: Int
  ) -> UnsafePointer<Double> {
    for shard in samples.indices where samples[shard] > 0 {
      let count = Double(samples[shard] * valuesPerSample)
      let squares = vectors + (2 * shard + 1) * channels
      for channel in 0..<channels { squares[channel] *= count }
    }
    for step in steps {
      let n1 = Double(step.intoSamples * valuesPerSample)
      let n2 = Double(step.fromSamples * valuesPerSample)
      let (share, weight) = (n2 / (n1 + n2), n1 * n2 / (n1 + n2))
      let (into, from) = (vectors + 2 * step.into * channels, vectors + 2 * step.from * channels)
      for channel in 0..<channels {
        let distance = from[channel] - into[channel]
        into[channel] += distance * share
        into[channels + channel] += from[channels + channel] + distance * distance * weight
      }
    }
    let whole = vectors + 2 * last * channels
    let count = Double(batch * valuesPerSample)
    for channel in 0..<channels { whole[channels + channel] /= count }
    return UnsafePointer(whole)
  }

  /// Adds up the shards' vectors of so many elements each; the sum comes to lie where the returned pointer says.
  package func add(_ vectors: UnsafeMutablePointer<Double>, length: Int) -> UnsafePointer<Double> {
    for step in steps {
      let (into, from) = (vectors + step.into * length, vectors + step.from * length)
      for index in 0..<length { into[index] += from[index] }
    }
    return UnsafePointer(vectors + last * length)
  }
}
