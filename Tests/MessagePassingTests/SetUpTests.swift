import MessagePassing
import Testing

/// Words and bytes around the set-up of a run.
@Suite struct SetUpTests {
  @Test func aDifferenceNamesThePartAndWhoHoldsWhat() {
    let difference = FingerprintDifference(
      name: "data",
      holders: [
        .init(value: "60000 samples abc", ranks: [0, 2]), .init(value: "59000 samples def", ranks: [1]),
        .init(value: nil, ranks: [3, 4, 5, 6]),
      ])
    #expect(
      difference.description
        == "data differs: ranks 0, 2 have 60000 samples abc; rank 1 has 59000 samples def; "
        + "ranks 3 to 6 have none")
  }

  @Test func ranksAreListedShortly() {
    #expect(describeRanks([4]) == "rank 4")
    #expect(describeRanks([0, 1]) == "ranks 0, 1")
    #expect(describeRanks([0, 1, 2, 5, 7, 8, 9]) == "ranks 0 to 2, 5, 7 to 9")
  }

  @Test func equalFailuresAreSummarizedWithTheirRanks() {
    let failures = [
      (rank: 1, message: "no file"), (rank: 2, message: "no memory"), (rank: 3, message: "no file"),
    ]
    #expect(summarize(failures, size: 4) == ["ranks 1, 3: no file", "rank 2: no memory"])
    #expect(summarize([(rank: 0, message: "no file")], size: 1) == ["no file"])
    #expect(summarize([(rank: 0, message: "x"), (rank: 1, message: "x")], size: 2) == ["x"])
    #expect(summarize([], size: 2) == [])
  }

  @Test(arguments: [[], [""], ["a", "", "ü\n"], [String(repeating: "x", count: 70_000), "y"]])
  func packedStringsComeBack(_ strings: [String]) {
    #expect(StringPacking.unpack(StringPacking.pack(strings)) == strings)
  }

  @Test func bytesThatAreNoStringsAreRefused() {
    let packed = StringPacking.pack(["abc"])
    for count in 1..<packed.count { #expect(StringPacking.unpack(Array(packed.prefix(count))) == nil) }
    #expect(StringPacking.unpack([1, 0, 0, 0, 0, 0, 0, 0, 0xFF]) == nil)
    #expect(StringPacking.unpack([UInt8](repeating: 0xFF, count: 8)) == nil)
  }

  @Test func piecesCoverALengthWithoutGapsAndFit() {
    for length in 0...30 {
      let pieces = Pieces(of: length, largest: 7).map { $0 }
      #expect(pieces.count == max(1, (length + 6) / 7))
      var end = 0
      for piece in pieces {
        #expect(piece.start == end)
        #expect(piece.count <= 7)
        end += Int(piece.count)
      }
      #expect(end == length)
    }
  }
}
