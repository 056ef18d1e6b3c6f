import Averaging
import TensorCore
import Testing

private let layouts: [VectorLayout] = [
  VectorLayout([("bias", [3])]),
  VectorLayout([("bias", [1]), ("weight", [7, 11])]),
  VectorLayout([
    ("output.bias", [10]), ("output.weight", [10, 128]), ("hidden.bias", [128]),
    ("hidden.weight", [128, 784]),
  ]),
  VectorLayout((1...40).map { (name: "p\($0)", shape: Shape([$0 * $0])) }),
]

/// Who owns what.
@Suite struct SlicesTests {
  @Test(arguments: layouts, 1...9) func slicesCoverTheVectorAndAreCutBetweenBlocks(
    _ layout: VectorLayout, _ ranks: Int
  ) {
    let slices = Slices(layout, ranks: ranks)
    #expect(slices.elements.count == ranks)
    #expect(slices.elements.flatMap { Array($0) } == Array(0..<layout.count))
    #expect(slices.blocks.flatMap { Array($0) } == Array(layout.blocks.indices))
    for (elements, blocks) in zip(slices.elements, slices.blocks) {
      #expect(elements.count == layout.blocks[blocks].reduce(0) { $0 + $1.count })
    }
    // Adjoining, empty ones too: an allgather demands it.
    #expect(slices.elements.first?.lowerBound == 0)
    for (slice, next) in zip(slices.elements, slices.elements.dropFirst()) {
      #expect(slice.upperBound == next.lowerBound)
    }
  }

  @Test(arguments: layouts, 1...9) func noSliceIsMoreThanABlockFromAnEqualShare(
    _ layout: VectorLayout, _ ranks: Int
  ) {
    for slice in Slices(layout, ranks: ranks).elements {
      #expect(abs(slice.count - layout.count / ranks) <= VectorLayout.blockLength)
    }
  }

  @Test func equalBlocksAreSharedEqually() {
    let layout = VectorLayout([("weight", [12 * VectorLayout.blockLength])])
    for ranks in [1, 2, 3, 4, 6, 12] {
      let counts = Slices(layout, ranks: ranks).elements.map(\.count)
      #expect(counts == .init(repeating: layout.count / ranks, count: ranks))
    }
  }

  @Test func moreRanksThanBlocksLeaveSomeWithNothing() {
    let slices = Slices(VectorLayout([("bias", [3])]), ranks: 4)
    #expect(slices.elements.filter { !$0.isEmpty } == [0..<16])
    #expect(slices.blocks.filter { !$0.isEmpty } == [0..<1])
  }
}

/// What is reduced together.
@Suite struct BucketsTests {
  @Test(arguments: layouts, [0, 1, 4, 64, 1000, 4096, 100_000, 1 << 30])
  func bucketsCoverEverythingOnceInWholeParameters(_ layout: VectorLayout, _ bytes: Int) {
    let buckets = Buckets(layout, bytes: bytes).ranges
    #expect(buckets.flatMap { Array($0) } == Array(0..<layout.gradientCount))
    #expect(buckets.allSatisfy { !$0.isEmpty })
    let starts = Set(layout.entries.map(\.offset))
    #expect(buckets.allSatisfy { starts.contains($0.lowerBound) })
    #expect(buckets.dropLast().allSatisfy { $0.count * 4 >= bytes })
    // The riders do not travel alone.
    #expect((buckets.last?.lowerBound ?? 0) < layout.riders.lowerBound)
  }

  @Test func bucketsAreNoLargerThanTheyMustBe() {
    let layout = layouts[2]
    #expect(Buckets(layout, bytes: 4).ranges.count == 4)
    #expect(Buckets(layout, bytes: 5000).ranges.map(\.lowerBound) == [0, 16 + 1280])
    #expect(Buckets(layout, bytes: 1 << 30).ranges == [0..<layout.gradientCount])
    for bytes in [4, 1000, 5000, 6000] {
      for bucket in Buckets(layout, bytes: bytes).ranges.dropLast() {
        // Without its last parameter it would be too small.
        let last = layout.entries.last { $0.offset < bucket.upperBound }
        #expect(((last?.offset ?? 0) - bucket.lowerBound) * 4 < bytes)
      }
    }
  }
}

@Suite struct EarlyDeliveryTests {
  @Test func itPaysOnlyWhereTheLastSliceIsManyParameters() {
    let perceptron = VectorLayout([("b", [10]), ("c", [10, 1024]), ("a", [1024, 784])])
    let deep = VectorLayout((0..<8).map { ("\($0)", [100, 100]) })
    #expect(!EarlyDelivery.pays(Slices(perceptron, ranks: 2), perceptron))
    #expect(EarlyDelivery.pays(Slices(deep, ranks: 2), deep))
    // The slice of each is one parameter.
    #expect(!EarlyDelivery.pays(Slices(deep, ranks: 8), deep))
  }
}
