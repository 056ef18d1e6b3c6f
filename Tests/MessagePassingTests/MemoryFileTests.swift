import Foundation
import MessagePassing
import Testing

@Suite struct MemoryFileTests {
  @Test func whoeverHasTheAddressHasTheMemory() throws {
    let file = try MemoryFile(byteCount: 10_000)
    #expect((0..<10_000).allSatisfy { file.memory.load(fromByteOffset: $0, as: UInt8.self) == 0 })
    var other: MemoryFile? = try MemoryFile(at: file.address)
    #expect(other?.memory != file.memory && other?.byteCount == 10_000)
    other?.memory.storeBytes(of: 7, toByteOffset: 9_999, as: UInt8.self)
    #expect(file.memory.load(fromByteOffset: 9_999, as: UInt8.self) == 7)
    // It is there as long as anybody has it.
    let again = try MemoryFile(at: try #require(other?.address))
    other = nil
    #expect(again.memory.load(fromByteOffset: 9_999, as: UInt8.self) == 7)
  }

  /// A process may have ended, and its number, or that of its file, may stand for another by now.
  @Test func anAddressThatStandsForSomethingElseIsRefused() throws {
    let file = try MemoryFile(byteCount: 100)
    for change in 0..<4 {
      var address = file.address
      switch change {
      case 0: address.process = Int(Int32.max)
      case 1: address.descriptor = 1_000_000
      case 2: address.file += 1
      default: address.byteCount += 1
      }
      #expect(throws: MessagePassingError.self) { try MemoryFile(at: address) }
    }
  }

  @Test(arguments: [(1, 1), (4, 4), (5, 2)]) func theFirstRankOfAMachineGivesItToTheOthers(
    ranks: Int, each: Int
  ) throws {
    try InProcessWorld.run(ranks: ranks, ranksPerMachine: each) { communicator in
      let own = communicator.ranksOfMachine
      let (file, note) = try MemoryFile.give(to: own, over: communicator) { () throws(MessagePassingError) in
        let file = try MemoryFile(byteCount: 8)
        file.memory.storeBytes(of: communicator.rank + 1, as: Int.self)
        return file
      }
      #expect(note == nil && file?.memory.load(as: Int.self) == own.lowerBound + 1)
    }
  }

  @Test func whereOneRankCannotMakeItNobodyHasItAndAllKnowWhy() throws {
    try InProcessWorld.run(ranks: 4, ranksPerMachine: 2) { communicator in
      let (file, note) = try MemoryFile.give(to: communicator.ranksOfMachine, over: communicator) {
        () throws(MessagePassingError) in
        guard communicator.rank == 0 else {
          throw MessagePassingError(at: "here", expected: "memory", found: "no memory", remedy: "Free some.")
        }
        return try MemoryFile(byteCount: 8)
      }
      #expect(file == nil && note == "rank 2: no memory")
    }
  }

  @Test func thereMayBeNothingToGive() throws {
    try InProcessWorld.run(ranks: 2) { communicator in
      let (file, note) = try MemoryFile.give(to: 0..<2, over: communicator) { nil }
      #expect(file == nil && note == nil)
    }
  }
}
