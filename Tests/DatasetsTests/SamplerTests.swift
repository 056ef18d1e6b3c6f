import Datasets
import Testing

@Suite struct SamplerTests {
  @Test func everyEpochVisitsEverySampleOnceWhateverTheRanks() throws {
    for (count, batch) in [(103, 10), (100, 10), (7, 10), (64, 1)] {
      let sampler = try Sampler(seed: 5, count: count, batch: batch)
      for epoch in 0..<3 {
        let order = sampler.order(epoch: epoch)
        for ranks in [1, 2, 3, 8] {
          var visited: [Int] = []
          for step in epoch * sampler.batchesPerEpoch..<(epoch + 1) * sampler.batchesPerEpoch {
            let place = sampler.batch(step: step)
            #expect(place.epoch == epoch)
            #expect(place.index == step - epoch * sampler.batchesPerEpoch)
            for rank in 0..<ranks {
              let from = place.positions.lowerBound + place.count * rank / ranks
              let to = place.positions.lowerBound + place.count * (rank + 1) / ranks
              visited += order[from..<to]
            }
          }
          #expect(visited.sorted() == Array(0..<count))
        }
      }
    }
  }

  @Test func aSmallerLastBatchIsKeptOrDropped() throws {
    let keeping = try Sampler(seed: 1, count: 103, batch: 10)
    #expect(keeping.batchesPerEpoch == 11)
    #expect(keeping.batch(step: 10).positions == 100..<103)
    let second = keeping.batch(step: 11)
    #expect(second.epoch == 1)
    #expect(second.index == 0)
    #expect(second.positions == 0..<10)
    #expect(keeping.batchSizes == [10, 3])
    let dropping = try Sampler(seed: 1, count: 103, batch: 10, lastBatch: .drop)
    #expect(dropping.batchesPerEpoch == 10)
    let third = dropping.batch(step: 10)
    #expect(third.epoch == 1)
    #expect(third.index == 0)
    #expect(third.positions == 0..<10)
    #expect(dropping.batchSizes == [10])
    #expect(try Sampler(seed: 1, count: 100, batch: 10).batchSizes == [10])
    #expect(try Sampler(seed: 1, count: 3, batch: 10).batchSizes == [3])
  }

  @Test func theOrderDependsOnSeedAndEpochOnly() throws {
    let order = try Sampler(seed: 9, count: 50, batch: 8).order(epoch: 4)
    #expect(try Sampler(seed: 9, count: 50, batch: 3, lastBatch: .drop).order(epoch: 4) == order)
    #expect(try Sampler(seed: 9, count: 50, batch: 8).order(epoch: 5) != order)
    #expect(try Sampler(seed: 8, count: 50, batch: 8).order(epoch: 4) != order)
  }

  @Test func theOrderOfASeedNeverChanges() throws {
    // Made by this very code: a run that is resumed years later must find the same order.
    let sampler = try Sampler(seed: 42, count: 12, batch: 4)
    #expect(sampler.order(epoch: 0) == [1, 9, 3, 2, 5, 0, 4, 7, 11, 6, 10, 8])
    #expect(sampler.order(epoch: 1) == [0, 3, 6, 7, 8, 9, 10, 2, 5, 4, 11, 1])
  }

  @Test func everyPositionIsEquallyLikely() throws {
    // 12,000 shuffles of 6: each of 36 cells expects 2,000, with a deviation of about 41.
    let sampler = try Sampler(seed: 3, count: 6, batch: 6)
    var cells = [Int](repeating: 0, count: 36)
    for epoch in 0..<12_000 {
      for (position, sample) in sampler.order(epoch: epoch).enumerated() {
        cells[6 * position + sample] += 1
      }
    }
    for cell in cells { #expect(abs(cell - 2000) < 220) }
  }

  @Test func withoutShufflingSamplesComeInTheirOrder() throws {
    let sampler = try Sampler(seed: 1, count: 5, batch: 2, isShuffled: false)
    #expect(sampler.order(epoch: 3) == [0, 1, 2, 3, 4])
  }

  @Test func anEpochWithoutABatchIsRefused() throws {
    #expect(throws: DatasetError.self) { try Sampler(seed: 1, count: 0, batch: 2) }
    #expect(throws: DatasetError.self) { try Sampler(seed: 1, count: 5, batch: 0) }
    #expect(throws: DatasetError.self) { try Sampler(seed: 1, count: 5, batch: -1) }
    #expect(throws: DatasetError.self) { try Sampler(seed: 1, count: 5, batch: 6, lastBatch: .drop) }
  }
}
