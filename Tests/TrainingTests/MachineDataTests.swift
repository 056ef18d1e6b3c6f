import Checkpoints
import Datasets
import Foundation
import MessagePassing
import Synchronization
import Testing
import Training

/// One rank of each machine reads, and all have the data.
@Suite struct MachineDataTests {
  private struct Unreadable: Error, CustomStringConvertible {
    var description: String { "no such file" }
  }

  @Test(arguments: [(1, 1), (2, 2), (4, 2), (5, 2), (3, 1)])
  func oneRankOfAMachineReads(ranks: Int, perMachine: Int) throws {
    let expected = try BuiltInDigits.draw(split: .train, count: 50).digest()
    let readers = Mutex<[Int]>([])
    try InProcessWorld.run(ranks: ranks, ranksPerMachine: perMachine) { communicator in
      let data = try readOncePerMachine(in: World(communicator)) {
        readers.withLock { $0.append(communicator.rank) }
        return try BuiltInDigits.draw(split: .train, count: 50)
      }
      guard data.digest() == expected else { throw Unreadable() }
    }
    let firsts = Array(stride(from: 0, to: ranks, by: perMachine))
    #expect(readers.withLock { $0.sorted() } == firsts)
  }

  /// All ranks throw, with the message of those that read.
  @Test(arguments: [[0, 2], [2], [0]]) func whatGoesWrongOnOneRankAllThrow(failing: [Int]) throws {
    let messages = Mutex<[String]>([])
    try InProcessWorld.run(ranks: 4, ranksPerMachine: 2) { communicator in
      do {
        _ = try readOncePerMachine(in: World(communicator)) { () throws -> ByteImages in
          if failing.contains(communicator.rank) { throw Unreadable() }
          return try BuiltInDigits.draw(split: .train, count: 10)
        }
      } catch let error as AgreedFailure {
        messages.withLock { $0.append("\(error)") }
      }
    }
    let message = failing.count == 2 ? "no such file" : "rank \(failing[0]): no such file"
    #expect(messages.withLock { $0 } == [String](repeating: message, count: 4))
  }

  private static let configurations = [
    ["digits"] + [
      "data.samples=300", "data.testSamples=50", "data.normalization=standard", "validation.fraction=0.2",
    ],
    ["resnet20"] + ["data.samples=60", "data.testSamples=0"],
    ["gpt"] + ["data.characters=4000", "data.context=32"],
  ]

  /// The whole data of a run, splits, statistics, and augmentation included.
  @Test(arguments: configurations) func aRunsDataAreTheSameSharedOrNot(_ words: [String]) throws {
    let configuration = try RunConfiguration.load(words[0], overrides: Array(words.dropFirst()))
    let alone = try RunData(configuration)
    let digests = Self.digests(alone)
    try InProcessWorld.run(ranks: 4, ranksPerMachine: 2) { communicator in
      let data = try RunData.read(configuration, over: communicator)
      guard Self.digests(data) == digests, data.note == nil, data.normalization == alone.normalization,
        data.tokenizer?.serialized == alone.tokenizer?.serialized, data.entropyRate == alone.entropyRate
      else { throw Unreadable() }
    }
  }

  private static func digests(_ data: RunData) -> [String?] {
    [data.training, data.plainTraining, data.heldOut, data.test].map { $0?.digest() }
  }

  // MARK: - Between groups

  /// Data sets that differ by their number of samples.
  private static func take(
    _ samples: Int, from shelf: DataShelf, over communicator: any Communicator,
    _ readers: borrowing Mutex<[Int]>
  ) throws -> ByteImages {
    let key = Digest128(high: 1, low: UInt64(samples))
    return try readOncePerMachine(communicator, on: (shelf, key)) {
      readers.withLock { $0.append(communicator.rankInJob) }
      usleep(50_000)
      return try BuiltInDigits.draw(split: .train, count: samples)
    }.data
  }

  /// Groups of ranks that want the same have what one of them has read, on each machine; and the same memory.
  @Test(arguments: [(4, 4), (4, 2), (5, 3)])
  func oneGroupOfAMachineReadsForAll(ranks: Int, perMachine: Int) throws {
    let expected = [30, 40].map { try? BuiltInDigits.draw(split: .train, count: $0).digest() }
    let readers = Mutex<[Int]>([])
    try InProcessWorld.run(ranks: ranks, ranksPerMachine: perMachine) { world in
      let shelf = try #require(try DataShelf.make(over: world))
      let group = try world.split(color: world.rank % 2)
      for (samples, digest) in zip([30, 40], expected) {
        try world.barrier()
        let data = try Self.take(samples, from: shelf, over: group, readers)
        guard data.digest() == digest else { throw Unreadable() }
        // Another time it is there already.
        _ = try Self.take(samples, from: shelf, over: group, readers)
        try world.barrier()
      }
      shelf.clear()
    }
    let machines = (ranks + perMachine - 1) / perMachine
    #expect(readers.withLock { $0.count } == 2 * machines, "\(readers.withLock { $0 })")
  }

  /// What nobody has any more is read again; what somebody has stays although its reader has gone on.
  @Test func dataStayAsLongAsAnyGroupHasThem() throws {
    let readers = Mutex<[Int]>([])
    try InProcessWorld.run(ranks: 3) { world in
      let shelf = try #require(try DataShelf.make(over: world))
      let group = try world.split(color: world.rank)
      // Rank 0 reads, 1 takes that, 0 goes on to other data, 2 takes what 1 has.
      for turn in 0..<4 {
        try world.barrier()
        switch (turn, world.rank) {
        case (0, 0), (1, 1), (3, 2): _ = try Self.take(30, from: shelf, over: group, readers)
        case (2, 0): _ = try Self.take(40, from: shelf, over: group, readers)
        default: break
        }
      }
      try world.barrier()
      shelf.clear()
      try world.barrier()
      if world.rank == 1 { _ = try Self.take(30, from: shelf, over: group, readers) }
      try world.barrier()
    }
    #expect(readers.withLock { $0 } == [0, 0, 1])
  }

  /// Who fails to read leaves it to the next.
  @Test func whatOneGroupCouldNotReadAnotherMayTry() throws {
    let outcomes = Mutex<[String]>([])
    try InProcessWorld.run(ranks: 2) { world in
      let shelf = try #require(try DataShelf.make(over: world))
      let group = try world.split(color: world.rank)
      if world.rank == 1 { usleep(30_000) }
      do {
        _ = try readOncePerMachine(group, on: (shelf, Digest128(high: 0, low: 1))) {
          () throws -> ByteImages in
          usleep(100_000)
          if world.rank == 0 { throw Unreadable() }
          return try BuiltInDigits.draw(split: .train, count: 10)
        }
        outcomes.withLock { $0.append("rank \(world.rank) has data") }
      } catch let error as AgreedFailure {
        outcomes.withLock { $0.append("rank \(world.rank): \(error)") }
      }
    }
    #expect(outcomes.withLock { $0.sorted() } == ["rank 0: no such file", "rank 1 has data"])
  }

  /// Other normalization, augmentation and seeds are no other source; other samples are.
  @Test func whatConfigurationsReadIsToldApart() throws {
    func key(_ overrides: String...) throws -> Digest128 {
      SourceData.key(try RunConfiguration.load("digits", overrides: overrides))
    }
    let same = try key()
    #expect(try key("data.normalization=standard") == same)
    #expect(try key("data.augment=[{type: crop, padding: 2}]") == same)
    #expect(try key("seed=5", "batch=10", "validation.fraction=0.2", "threads=2") == same)
    #expect(try key("data.samples=100") != same)
    #expect(try key("data.testSamples=100") != same)
    #expect(try key("data.seed=1") != same)
    #expect(
      try SourceData.key(RunConfiguration.load("resnet20")) != SourceData.key(RunConfiguration.load("gpt")))
    let gpt = try SourceData.key(RunConfiguration.load("gpt"))
    #expect(try SourceData.key(RunConfiguration.load("gpt", overrides: ["data.context=32"])) != gpt)
  }
}
