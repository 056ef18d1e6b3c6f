import AllocationCounter
import Datasets
import Foundation
import TensorCore
import Testing

@Suite(.timeLimit(.minutes(2))) struct LoaderTests {
  /// Contiguous shards, the first ones one sample larger.
  private static func shards(_ batch: Int, into count: Int) -> [Range<Int>] {
    var start = 0
    return (0..<count).map { shard in
      let size = batch / count + (shard < batch % count ? 1 : 0)
      defer { start += size }
      return start..<start + size
    }
  }

  /// Checks every shard of a loader against a direct fill.
  private func check(
    _ data: some Dataset, _ sampler: Sampler, steps: Range<Int>, depth: Int?,
    worksAhead: Bool = true, slowly: Bool = false, shards: @escaping (Int) -> [Range<Int>]
  ) throws {
    let loader = try Loader(
      data, sampler: sampler, firstStep: steps.lowerBound, steps: steps.count, depth: depth,
      worksAhead: worksAhead, shards: shards)
    for step in steps {
      let place = sampler.batch(step: step)
      let order = sampler.order(epoch: place.epoch)
      for (index, range) in shards(place.count).enumerated() where !range.isEmpty {
        let shard = try #require(loader.next())
        let samples = range.map { order[place.positions.lowerBound + $0] }
        let expected = data.filled(samples, epoch: place.epoch)
        #expect(shard.step == step)
        #expect(shard.epoch == place.epoch)
        #expect(shard.batchCount == place.count)
        #expect(shard.index == index)
        #expect(Array(shard.samples) == samples)
        if slowly { usleep(300) }
        #expect(Int(bitPattern: shard.inputs) % 64 == 0)
        #expect(
          Array(UnsafeBufferPointer(start: shard.inputs, count: range.count * data.inputSize))
            == expected.inputs)
        let (labels, values) = (shard.targets.labels, shard.targets.values)
        #expect((labels == nil) != (values == nil))
        let targets =
          labels.map { UnsafeBufferPointer(start: $0, count: range.count).map(Double.init) }
          ?? UnsafeBufferPointer(start: values, count: expected.targets.count).map(Double.init)
        #expect(targets == expected.targets)
        if index % 3 == 1 { loader.release() }
      }
    }
    #expect(loader.next() == nil)
    #expect(loader.next() == nil)
  }

  @Test(arguments: [2, 3, 16, nil])
  func shardsAreWhatDirectFillsGive(_ depth: Int?) throws {
    // 103 samples in batches of 20: the last has 3, fewer than there are shards.
    let data = try numbered(103)
    let sampler = try Sampler(seed: 4, count: 103, batch: 20)
    try check(data, sampler, steps: 0..<20, depth: depth) { Self.shards($0, into: 6) }
    try check(data, sampler, steps: 0..<20, depth: depth, slowly: true) {
      Array(Self.shards($0, into: 6)[2..<4])
    }
  }

  @Test(arguments: [true, false])
  func aLoaderThatBeginsMidEpochGoesOnAsTheOther(worksAhead: Bool) throws {
    let data = try numbered(103)
    let sampler = try Sampler(seed: 4, count: 103, batch: 20)
    for first in [0, 1, 4, 5, 6, 11, 17] {
      try check(data, sampler, steps: first..<20, depth: 4, worksAhead: worksAhead) {
        Self.shards($0, into: 6)
      }
    }
  }

  @Test func aLoaderThatDoesNotWorkAheadHoldsOneShardAndAllocatesNothing() throws {
    let sampler = try Sampler(seed: 4, count: 103, batch: 20)
    let loader = try Loader(numbered(103), sampler: sampler, steps: 40, worksAhead: false) {
      Self.shards($0, into: 3)
    }
    #expect(loader.depth == 1)
    _ = loader.next()
    var count = 1
    allocation_counter_arm()
    while loader.next() != nil { count += 1 }
    #expect(allocation_counter_disarm() == 0)
    #expect(count == 120 && loader.waitSeconds == 0)
    let stopped = try Loader(numbered(103), sampler: sampler, steps: 40, worksAhead: false) { [0..<$0] }
    #expect(stopped.next() != nil)
    stopped.stop()
    #expect(stopped.next() == nil)
    let none = try Loader(numbered(103), sampler: sampler, steps: 40, worksAhead: false) { _ in [] }
    #expect(none.next() == nil)
  }

  @Test func valuesArePreparedToo() throws {
    let data = try TensorDataset(
      inputs: (0..<90).map(Float.init), inputShape: [3], values: (0..<60).map { Float($0) * 0.5 },
      valuesPerSample: 2)
    let sampler = try Sampler(seed: 4, count: 30, batch: 7, lastBatch: .drop)
    try check(data, sampler, steps: 0..<9, depth: 3) { Self.shards($0, into: 2) }
  }

  @Test func theRanksTogetherGetEverySampleOnce() throws {
    let data = try numbered(103)
    let sampler = try Sampler(seed: 8, count: 103, batch: 20)
    for ranks in [1, 2, 3, 5] {
      var visited: [Int] = []
      for rank in 0..<ranks {
        let loader = try Loader(data, sampler: sampler, steps: sampler.batchesPerEpoch) { batch in
          Array(Self.shards(batch, into: 8)[8 * rank / ranks..<8 * (rank + 1) / ranks])
        }
        while let shard = loader.next() { visited += Array(shard.samples) }
      }
      #expect(visited.sorted() == Array(0..<103))
    }
  }

  @Test func aRankWithoutShardsHasNothingToDo() throws {
    let sampler = try Sampler(seed: 8, count: 103, batch: 20)
    let loader = try Loader(numbered(103), sampler: sampler, steps: 50) { _ in [] }
    #expect(loader.next() == nil)
    let noSteps = try Loader(numbered(103), sampler: sampler, steps: 0) { [0..<$0] }
    #expect(noSteps.next() == nil)
  }

  @Test func aShardStaysWhileItIsHeld() throws {
    let data = try numbered(64)
    let sampler = try Sampler(seed: 1, count: 64, batch: 4)
    let loader = try Loader(data, sampler: sampler, steps: 1000, depth: 2) { [0..<$0] }
    for _ in 0..<20 {
      let shard = try #require(loader.next())
      let before = Array(UnsafeBufferPointer(start: shard.inputs, count: 12))
      usleep(2000)
      #expect(Array(UnsafeBufferPointer(start: shard.inputs, count: 12)) == before)
      #expect(before == data.filled(Array(shard.samples)).inputs)
    }
  }

  @Test func stoppingEndsTheThreadWhereverItIs() throws {
    let data = try numbered(64)
    let sampler = try Sampler(seed: 1, count: 64, batch: 4)
    for taken in 0..<40 {
      let loader = try Loader(data, sampler: sampler, steps: 1_000_000, depth: 2 + taken % 5) {
        Self.shards($0, into: 2)
      }
      for _ in 0..<taken { #expect(loader.next() != nil) }
      if taken % 3 == 0 { usleep(200) }
      // Every other one is stopped by going away.
      if taken % 2 == 0 {
        loader.stop()
        #expect(loader.next() == nil)
        loader.stop()
      }
    }
  }

  @Test func waitingIsMeasured() throws {
    let data = SlowDataset(base: try numbered(64), microseconds: 20_000)
    let sampler = try Sampler(seed: 1, count: 64, batch: 4)
    let loader = try Loader(data, sampler: sampler, steps: 5) { [0..<$0] }
    while loader.next() != nil {}
    #expect(loader.waitSeconds > 0.08)
  }

  @Test func shardsAreReadyBeforeASlowUserAsks() throws {
    // Without work ahead, the 20 shards would be waited for 0.4 s.
    let data = SlowDataset(base: try numbered(64), microseconds: 20_000)
    let sampler = try Sampler(seed: 1, count: 64, batch: 4)
    let loader = try Loader(data, sampler: sampler, steps: 20, depth: 8) { [0..<$0] }
    while loader.next() != nil { usleep(50_000) }
    #expect(loader.waitSeconds < 0.2)
  }

  @Test func memoryStaysWithinItsBound() throws {
    // One shard of 4 samples takes 32 MiB: two slots, not more.
    let data = try TensorDataset(
      inputs: [Float](repeating: 1, count: 4 << 21), inputShape: [1 << 21], labels: [0, 0, 0, 0],
      classes: 1)
    let large = try Loader(data, sampler: Sampler(seed: 1, count: 4, batch: 4), steps: 0) { [0..<$0] }
    #expect(large.depth == 2)
    #expect(large.byteCount < (64 << 20) + 4096)
    let small = try Loader(
      numbered(64), sampler: Sampler(seed: 1, count: 64, batch: 32), steps: 0
    ) { Self.shards($0, into: 16) }
    #expect(small.depth >= 32)
  }
}

/// Takes its time.
private struct SlowDataset: Dataset {
  let base: TensorDataset
  let microseconds: UInt32

  var count: Int { base.count }
  var inputShape: [Int] { base.inputShape }
  var target: Target { base.target }

  func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    usleep(microseconds)
    base.fill(samples, epoch: epoch, inputs: inputs, targets: targets)
  }

  func digest() -> String { base.digest() }
}
