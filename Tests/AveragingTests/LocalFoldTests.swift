import Averaging
import Testing

/// What the actions of a rank amount to, told by doing them with symbols.
@Suite struct LocalFoldTests {
  /// Does the actions with one string a buffer; gives each partial's node and its string.
  private func perform(_ fold: LocalFold) -> [(node: Range<Int>, sum: String)] {
    var buffers = [String](repeating: "?", count: fold.bufferCount)
    for action in fold.actions {
      switch action {
      case .compute(let shard, let buffer): buffers[buffer] = "\(shard)"
      case .add(let buffer, let target):
        #expect(buffer != target)
        buffers[target] = "(\(buffers[target])+\(buffers[buffer]))"
        // What has been added is not looked at again.
        buffers[buffer] = "?"
      }
    }
    return fold.partials.map { ($0.node, buffers[$0.buffer]) }
  }

  /// The canonical sum of a node, empty shards left out.
  private func canonical(_ node: Range<Int>, _ sizes: [Int]) -> String? {
    CanonicalTree.fold(
      node,
      leaf: { part in
        if part.count > 1 { return .split }
        return sizes[part.lowerBound] == 0 ? .empty : .value("\(part.lowerBound)")
      },
      add: { "(\($0)+\($1))" })
  }

  @Test func oneRankAddsUpTheWholeTree() {
    let fold = LocalFold(run: 0..<5, shards: 5, sizes: [1, 1, 1, 1, 1])
    let sums = perform(fold)
    #expect(sums.map(\.node) == [0..<5])
    #expect(sums.map(\.sum) == ["(((0+1)+(2+3))+4)"])
    #expect(fold.lastOfTree == fold.actions.count - 1)
  }

  @Test func aRunThatIsNoNodeGivesSeveralPartials() {
    let sums = perform(LocalFold(run: 3..<7, shards: 8, sizes: [Int](repeating: 2, count: 8)))
    #expect(sums.map(\.node) == [3..<4, 4..<6, 6..<7])
    #expect(sums.map(\.sum) == ["3", "(4+5)", "6"])
  }

  /// It alone is not rounded: its sum never travels.
  @Test func theLastAdditionOfTheTreeIsKnownWhereARankMakesIt() {
    func last(_ run: Range<Int>, _ sizes: [Int]) -> Int? {
      LocalFold(run: run, shards: sizes.count, sizes: sizes).lastOfTree
    }
    #expect(last(0..<4, [1, 1, 1, 1]) == 6)
    #expect(last(0..<2, [1, 1, 1, 1]) == nil)
    // The sum of shards 0 and 1 is that of a node that another rank could have.
    #expect(last(0..<4, [1, 1, 0, 0]) == nil)
    #expect(last(0..<4, [1, 1, 1, 0]) == 4)
    #expect(last(0..<1, [1]) == nil)
  }

  @Test func emptyShardsAreNeitherComputedNorAdded() {
    let fold = LocalFold(run: 0..<8, shards: 8, sizes: [1, 1, 1, 0, 0, 0, 0, 0])
    #expect(perform(fold).map(\.sum) == ["((0+1)+2)"])
    #expect(fold.actions.count == 5)
    let none = LocalFold(run: 4..<8, shards: 8, sizes: [1, 1, 1, 0, 0, 0, 0, 0])
    #expect(none.actions.isEmpty)
    #expect(none.partials.isEmpty)
    #expect(none.bufferCount == 0)
  }

  @Test(arguments: 1...24) func everyRunGivesTheCanonicalSumsOfItsNodes(_ shards: Int) {
    for samples in [shards / 3, shards - 1, shards, 3 * shards + 1] {
      let sizes = Shards(shards).ranges(ofBatch: samples).map(\.count)
      for ranks in 1...6 {
        for run in Shards(shards).ranges(ofRanks: ranks) {
          let fold = LocalFold(run: run, shards: shards, sizes: sizes)
          let nodes = CanonicalTree.nodes(within: run, shards: shards)
          let expected = nodes.compactMap { node in canonical(node, sizes).map { (node, $0) } }
          let found = perform(fold)
          #expect(found.map(\.node) == expected.map(\.0))
          #expect(found.map(\.sum) == expected.map(\.1))
        }
      }
    }
  }

  @Test func oneRankNeedsFewBuffers() {
    for (shards, buffers) in [(1, 1), (2, 2), (4, 3), (8, 4), (16, 5), (64, 7), (3, 2), (5, 3), (12, 4)] {
      let sizes = [Int](repeating: 1, count: shards)
      #expect(LocalFold(run: 0..<shards, shards: shards, sizes: sizes).bufferCount == buffers)
    }
  }

  @Test(arguments: 1...40) func buffersGrowWithTheLogarithmOfTheShards(_ shards: Int) {
    let sizes = [Int](repeating: 1, count: shards)
    for ranks in 1...4 {
      for run in Shards(shards).ranges(ofRanks: ranks) {
        let fold = LocalFold(run: run, shards: shards, sizes: sizes)
        let bits = Int.bitWidth - shards.leadingZeroBitCount
        // One a level while a node is added up, and one for each partial that waits.
        #expect(fold.bufferCount <= bits + fold.partials.count)
      }
    }
  }
}
