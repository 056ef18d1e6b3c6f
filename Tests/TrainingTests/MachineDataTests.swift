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
}
