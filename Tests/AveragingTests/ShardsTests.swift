import Averaging
import Testing

/// How a batch is cut and who computes what.
@Suite struct ShardsTests {
  @Test(arguments: [
    (samples: 10, shards: 4, sizes: [3, 3, 2, 2]), (8, 4, [2, 2, 2, 2]), (3, 8, [1, 1, 1, 0, 0, 0, 0, 0]),
    (0, 2, [0, 0]), (7, 1, [7]), (29, 12, [3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]),
  ])
  func theFirstShardsHaveOneSampleMore(_ example: (samples: Int, shards: Int, sizes: [Int])) {
    let ranges = Shards(example.shards).ranges(ofBatch: example.samples)
    #expect(ranges.map(\.count) == example.sizes)
    // One behind the other from the first sample on, so that they cover the batch.
    #expect(ranges.flatMap { Array($0) } == Array(0..<example.samples))
  }

  @Test(arguments: 1...17) func shardsCoverEveryBatch(_ count: Int) {
    for samples in 0...100 {
      let ranges = Shards(count).ranges(ofBatch: samples)
      #expect(ranges.count == count)
      #expect(ranges.flatMap { Array($0) } == Array(0..<samples))
      let sizes = ranges.map(\.count)
      #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
    }
  }

  @Test func ranksHaveContiguousRunsOfShards() {
    #expect(Shards(8).ranges(ofRanks: 2) == [0..<4, 4..<8])
    #expect(Shards(8).ranges(ofRanks: 3) == [0..<3, 3..<6, 6..<8])
    #expect(Shards(5).ranges(ofRanks: 5) == [0..<1, 1..<2, 2..<3, 3..<4, 4..<5])
    #expect(Shards(2).ranges(ofRanks: 3) == [0..<1, 1..<2, 2..<2])
  }

  @Test(arguments: [
    (batch: 1, count: 1), (64, 1), (127, 1), (128, 2), (255, 2), (256, 4), (511, 4), (512, 8), (1023, 8),
    (1024, 16), (100_000, 16),
  ])
  func theDefaultLeavesShardsOfAtLeast64(_ example: (batch: Int, count: Int)) {
    #expect(Shards.suitable(forBatch: example.batch).count == example.count)
  }
}
