import Averaging
import Testing

/// The order of additions, told from what it does to symbols.
@Suite struct CanonicalTreeTests {
  /// What all shards add up to, spelled out by hand, the leaves being their numbers.
  static let spelledOut = [
    1: "0", 2: "(0+1)", 3: "((0+1)+2)", 4: "((0+1)+(2+3))", 5: "(((0+1)+(2+3))+4)",
    6: "(((0+1)+(2+3))+(4+5))", 7: "(((0+1)+(2+3))+((4+5)+6))", 8: "(((0+1)+(2+3))+((4+5)+(6+7)))",
    9: "((((0+1)+(2+3))+((4+5)+(6+7)))+8)", 12: "((((0+1)+(2+3))+((4+5)+(6+7)))+((8+9)+(10+11)))",
  ]

  @Test(arguments: spelledOut.sorted { $0.key < $1.key })
  func shardsAreAddedInTheCanonicalOrder(_ shards: Int, _ expected: String) {
    let found = CanonicalTree.fold(
      0..<shards, leaf: { $0.count == 1 ? .value("\($0.lowerBound)") : .split }, add: { "(\($0)+\($1))" })
    #expect(found == expected)
  }

  @Test func aNodeWithAnEmptySideIsItsOtherSide() {
    func fold(_ shards: Int, without empty: Set<Int>) -> String? {
      CanonicalTree.fold(
        0..<shards,
        leaf: { node in
          if node.count > 1 { return .split }
          return empty.contains(node.lowerBound) ? .empty : .value("\(node.lowerBound)")
        },
        add: { "(\($0)+\($1))" })
    }
    #expect(fold(8, without: [3, 4, 5, 6, 7]) == "((0+1)+2)")
    #expect(fold(8, without: [0, 1, 2, 3, 6]) == "((4+5)+7)")
    #expect(fold(5, without: [0, 2]) == "((1+3)+4)")
    #expect(fold(3, without: [0, 1, 2]) == nil)
  }

  @Test func aNodeSplitsAtTheLargestPowerOfTwoBelowItsLength() {
    for (length, left) in [(2, 1), (3, 2), (4, 2), (5, 4), (7, 4), (8, 4), (9, 8), (16, 8), (17, 16)] {
      #expect(CanonicalTree.split(0..<length) == left)
      #expect(CanonicalTree.split(100..<100 + length) == 100 + left)
    }
    #expect(CanonicalTree.split(6..<7) == nil)
  }

  @Test(arguments: 1...33) func aRunConsistsOfFewWholeNodes(_ shards: Int) {
    var all: Set<Range<Int>> = []
    func collect(_ node: Range<Int>) {
      all.insert(node)
      guard let middle = CanonicalTree.split(node) else { return }
      collect(node.lowerBound..<middle)
      collect(middle..<node.upperBound)
    }
    collect(0..<shards)
    for start in 0...shards {
      for end in start...shards {
        let nodes = CanonicalTree.nodes(within: start..<end, shards: shards)
        #expect(nodes.flatMap { Array($0) } == Array(start..<end))
        #expect(nodes.allSatisfy { all.contains($0) })
        // As large as possible: no two are the halves of a node.
        #expect(
          zip(nodes, nodes.dropFirst()).allSatisfy { !all.contains($0.lowerBound..<$1.upperBound) })
        let bits = Int.bitWidth - (end - start).leadingZeroBitCount
        #expect(nodes.count <= 2 * bits, "\(start..<end) of \(shards) is \(nodes)")
      }
    }
  }

  @Test func equalRunsOfPowersOfTwoAreOneNode() {
    for (shards, ranks) in [(8, 1), (8, 2), (8, 4), (8, 8), (16, 4), (12, 3), (12, 12)] {
      for run in Shards(shards).ranges(ofRanks: ranks) {
        #expect(CanonicalTree.nodes(within: run, shards: shards) == [run])
      }
    }
  }
}
