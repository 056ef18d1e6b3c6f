import Averaging
import Datasets
import Layers
import MessagePassing
import Optimizers
import TensorCore
import Training

// What shards tell each other in the middle of a pass, and training with batch normalization over all of them.

extension Scenario {
  static let synchronization: [Scenario] = [
    Scenario("statistics over all shards are those of all values, with the same bits on all ranks") { world in
      try forEachExchange(world) { exchange, shards, batch, what in
        for (channels, valuesPerSample) in [(1, 1), (5, 4), (16, 1)] {
          let form = SynchronizationForm(.statistics, channels: channels, valuesPerSample: valuesPerSample)
          guard batch * valuesPerSample > 1 else { continue }
          let all = MadeUpValues(shards, batch, channels, valuesPerSample)
          let what = "\(what), \(channels) channels of \(valuesPerSample)"
          let results = try all.exchange(form, world, exchange) { all.statistics(of: $0) }
          try all.checkStatistics(results, what)
          // By one rank alone.
          let alone = InProcessCommunicator()
          let serial = try all.exchange(
            form, alone, ShardExchange(alone, shards: shards, batchSizes: [batch], channels: [channels])
          ) { all.statistics(of: $0) }
          for result in results { try check(bits: result.whole, equal: serial[0].whole, what) }
        }
      }
    },

    Scenario("sums over all shards reach each shard as its part of the mean") { world in
      try forEachExchange(world) { exchange, shards, batch, what in
        let form = SynchronizationForm(.sums, channels: 5, valuesPerSample: 3)
        let all = MadeUpValues(shards, batch, 5, 3)
        // Small whole numbers: exact in any order.
        func own(_ shard: Int) -> [Float] { (0..<10).map { Float((shard + 2) * ($0 - 4)) } }
        let results = try all.exchange(form, world, exchange, own: own)
        for result in results {
          let sums = (0..<10).map { index in all.filled.reduce(0) { $0 + own($1)[index] } }
          let share = Double(all.sizes[result.shard]) / Double(batch)
          try check(each: result.whole, equals: { Float(Double(sums[$0]) * share) }, what)
        }
      }
    },

    Scenario(
      "a model with synchronized batch normalization has the bits that one rank gives it", ranks: 1...5
    ) {
      world in
      // 13 samples in 5 shards of 3 and 2; then 3, one a shard and two shards empty.
      let data = try imagesOfNoise(16)
      func train(_ world: any Communicator, _ averaging: AveragingStrategy) throws -> (Trainer, [Float]) {
        let trainer = try Trainer(
          smallConvolutionalModel(isSynchronized: true), loss: .crossEntropy,
          optimizer: .sgd(learningRate: 0.05, momentum: 0.9), data: data, batch: 13, shards: 5, seed: 4,
          averaging: averaging, over: world)
        var losses: [Float] = []
        _ = try trainer.fit(untilStep: 4) { losses.append($0.loss) }
        return (trainer, losses)
      }
      let (alone, losses) = try train(InProcessCommunicator(), .ordered)
      let (together, same) = try train(world, .ordered)
      try check(bits: same, equal: losses, "losses")
      try check(bits: together.parameters.buffer, equal: alone.parameters.buffer, "parameters and buffers")
      // The library's order of additions gives other bits, but no other model.
      let (other, near) = try train(world, .allreduce(bucketBytes: 1024))
      try checkEqualOnAllRanks(world, other.parameters, "allreduce")
      try check(zip(near, losses).allSatisfy { abs($0 - $1) < 1e-3 * $1 }, "\(near), not \(losses)")
    },
  ]

  private static func forEachExchange(
    _ world: any Communicator,
    _ body: (ShardExchange, Shards, _ batch: Int, _ what: String) throws -> Void
  ) throws {
    for count in shardCounts(world.size) {
      let shards = Shards(count)
      let exchange = ShardExchange(world, shards: shards, batchSizes: [1, 3, 37], channels: [1, 5, 16])
      for batch in [37, 3, 1, 37] { try body(exchange, shards, batch, "\(count) shards, \(batch) samples") }
    }
  }
}

/// Values of each channel for every sample, of which each shard has its part.
private struct MadeUpValues {
  let shards: Shards
  let batch: Int
  let channels: Int
  let valuesPerSample: Int
  let sizes: [Int]

  init(_ shards: Shards, _ batch: Int, _ channels: Int, _ valuesPerSample: Int) {
    (self.shards, self.batch, self.channels) = (shards, batch, channels)
    self.valuesPerSample = valuesPerSample
    sizes = shards.ranges(ofBatch: batch).map(\.count)
  }

  var filled: [Int] { sizes.indices.filter { sizes[$0] > 0 } }

  /// Of some samples, far from zero and with a drift, so that the shards' means differ.
  func values(_ samples: Range<Int>, _ channel: Int) -> [Double] {
    samples.flatMap { sample in
      (0..<valuesPerSample).map { place in
        Double(100 * (channel + 1)) + Double(sample) + Double((sample * 7 + place * 3 + channel) % 11)
      }
    }
  }

  func statistics(of shard: Int) -> [Float] {
    statistics(shards.ranges(ofBatch: batch)[shard]).map { Float($0) }
  }

  private func statistics(_ samples: Range<Int>) -> [Double] {
    let moments = (0..<channels).map { channel in
      let values = values(samples, channel)
      let mean = values.reduce(0, +) / Double(values.count)
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (mean: mean, variance: squares / Double(values.count))
    }
    return moments.map(\.mean) + moments.map(\.variance)
  }

  /// What each of this rank's shards gets.
  func exchange(
    _ form: SynchronizationForm, _ world: any Communicator, _ exchange: ShardExchange, own: (Int) -> [Float]
  ) throws -> [(shard: Int, whole: [Float])] {
    let mine = shards.ranges(ofRanks: world.size)[world.rank].filter { sizes[$0] > 0 }
    var places: [Int: (own: Arena<Float>, whole: Arena<Float>)] = [:]
    for shard in mine {
      let place = (own: Arena<Float>(count: form.ownCount), whole: Arena<Float>(count: form.wholeCount))
      for (index, value) in own(shard).enumerated() { place.own.base[index] = value }
      places[shard] = place
    }
    var missing = false
    let nothing = Arena<Float>(count: form.wholeCount)
    try exchange.exchange(form, batch: batch, phase: { _ in }) { shard in
      guard let place = places[shard] else {
        missing = true
        return (UnsafePointer(nothing.base), nothing.base)
      }
      return (UnsafePointer(place.own.base), place.whole.base)
    }
    try check(!missing, "a shard is asked for that this rank has not")
    return mine.compactMap { shard in places[shard].map { (shard, Array($0.whole.buffer)) } }
  }

  func checkStatistics(_ results: [(shard: Int, whole: [Float])], _ what: String) throws {
    let expected = statistics(0..<batch)
    let count = Double(batch * valuesPerSample)
    let unbiased = expected[channels...].map { $0 * count / (count - 1) }
    for result in results {
      for (found, expected) in zip(result.whole, expected + unbiased) {
        try check(
          abs(Double(found) - expected) <= 1e-5 * (1 + abs(expected)), "\(what): \(found), not \(expected)")
      }
    }
  }
}

/// Images [2, 6, 6] of three classes.
package func imagesOfNoise(_ count: Int) throws -> TensorDataset {
  var stream = RandomStream(seed: 5, purpose: .test)
  let inputs = (0..<count * 72).map { _ in 1 + 2 * stream.normal() }
  let labels = (0..<count).map { _ in Int32(stream.integer(below: 3)) }
  return try TensorDataset(inputs: inputs, inputShape: [2, 6, 6], labels: labels, classes: 3)
}

/// Batch normalization of images in blocks of channels and plain ones, with and without ReLU, and of single values.
package func smallConvolutionalModel(isSynchronized: Bool) -> Sequential {
  Sequential(
    [
      .convolution(16, kernel: 3, padding: 1), .batchNormalization, .activation(.relu),
      .residual([.convolution(16, kernel: 3, padding: 1), .batchNormalization]), .activation(.tanh),
      .convolution(5, kernel: 3, stride: 2), .batchNormalization, .flatten, .dense(7), .batchNormalization,
      .activation(.relu), .dense(3),
    ], synchronizesBatchNormalization: isSynchronized)
}
