import DistributedScenarios
import Foundation
import MessagePassing
import Synchronization
import Testing

/// What the world of threads promises beyond what MPI does: mistakes are errors, on all ranks, at once.
///
/// What runs on the threads of ranks throws instead of using `#expect`, which would not know its test there.
@Suite struct InProcessWorldTests {
  private struct Broken: Error, Equatable {}

  /// Runs a body that is to fail; returns the failure, and how many ranks' calls threw.
  private func failure(
    ranks: Int, _ body: @escaping @Sendable (InProcessCommunicator) throws -> Void
  ) throws -> (InProcessWorld.Failure, thrown: Int) {
    let thrown = Atomic(0)
    do {
      try InProcessWorld.run(ranks: ranks) { world in
        do {
          try body(world)
        } catch {
          thrown.add(1, ordering: .relaxed)
          throw error
        }
      }
    } catch let failure as InProcessWorld.Failure {
      return (failure, thrown.load(ordering: .relaxed))
    }
    throw Broken()
  }

  @Test func everyRankRunsOnceWithItsNumber() throws {
    let seen = Mutex<[Int]>([])
    try InProcessWorld.run(ranks: 5) { world in
      seen.withLock { $0.append(world.rank * 10 + world.size) }
    }
    #expect(seen.withLock { $0.sorted() } == [5, 15, 25, 35, 45])
  }

  @Test func aRankThatThrowsReleasesTheOthersAndIsNamed() throws {
    let (failure, thrown) = try failure(ranks: 4) { world in
      try world.barrier()
      if world.rank == 2 { throw Broken() }
      try world.barrier()
    }
    #expect(failure.rank == 2)
    #expect(failure.error is Broken)
    #expect(thrown == 4)
  }

  /// Rank 1 is in a part of its own; the others wait for each other in theirs, or come to it only then.
  @Test(arguments: [0, 50_000]) func aRankThatThrowsReleasesTheOtherPartsToo(delay: UInt32) throws {
    let (failure, thrown) = try failure(ranks: 4) { world in
      let part = try world.split(color: world.rank == 1 ? 1 : 0)
      if world.rank == 1 {
        usleep(50_000 - delay)
        throw Broken()
      }
      usleep(delay)
      // One of the part stays away, so that the others would wait for ever.
      if world.rank != 3 { try part.barrier() }
      try world.barrier()
    }
    #expect(failure.rank == 1)
    #expect(failure.error is Broken)
    #expect(thrown == 4)
  }

  @Test func aRankThatEndsEarlyIsAnErrorOfThoseWhoWaitInAPart() throws {
    let (failure, thrown) = try failure(ranks: 4) { world in
      let part = try world.split(color: world.rank % 2)
      try world.barrier()
      // The others have no more calls to make, which the failure of rank 1 would end.
      if world.rank == 1 { try part.barrier() }
    }
    #expect(failure.rank == 1)
    #expect("\(failure.error)".contains("rank 1 at its end"), "\(failure)")
    #expect(thrown == 1)
  }

  @Test func aSplitThatMeetsAnotherCallIsAnErrorThatNamesBoth() throws {
    let (failure, thrown) = try failure(ranks: 2) { world in
      if world.rank == 0 { _ = try world.split(color: 0) } else { try world.barrier() }
    }
    #expect("\(failure.error)".contains("split(color:)"), "\(failure)")
    #expect("\(failure.error)".contains("barrier"), "\(failure)")
    #expect(thrown == 2)
  }

  /// It ends before the others come, and while they wait.
  @Test(arguments: [0, 50_000]) func aRankThatEndsEarlyIsAnErrorOfThoseWhoWait(delay: UInt32) throws {
    let (failure, thrown) = try failure(ranks: 3) { world in
      if world.rank == 1 {
        usleep(delay)
        return
      }
      if delay == 0 { usleep(50_000) }
      try world.barrier()
    }
    #expect(failure.rank != 1)
    #expect("\(failure)".contains("rank 1 at its end"), "\(failure)")
    #expect(thrown == 2)
  }

  /// Two calls that do not fit together: rank 1 makes the second.
  struct Mismatch: Sendable, CustomStringConvertible {
    let description: String
    let words: [String]
    let first: @Sendable (InProcessCommunicator) throws -> Void
    let second: @Sendable (InProcessCommunicator) throws -> Void
  }

  private static func sum<Scalar: MessageScalar>(
    _ world: InProcessCommunicator, _ values: [Scalar], _ reduction: Reduction = .sum
  ) throws {
    var values = values
    try values.withUnsafeMutableBufferPointer { try world.allreduce($0, reduction) }
  }

  private static func startedSum(_ world: InProcessCommunicator, _ count: Int) throws {
    var values = [Float](repeating: 1, count: count)
    try values.withUnsafeMutableBufferPointer { memory in
      try world.startAllreduce(memory)
      try world.finishAllreduces()
    }
  }

  private static func broadcast(_ world: InProcessCommunicator, _ count: Int, from root: Int) throws {
    var bytes = [UInt8](repeating: 1, count: count)
    try bytes.withUnsafeMutableBytes { try world.broadcast($0, from: root) }
  }

  private static func gather(_ world: InProcessCommunicator, _ middle: Int) throws {
    var values: [Float] = [1, 2, 3, 4]
    try values.withUnsafeMutableBufferPointer {
      try world.allgather($0, slices: [0..<middle, middle..<4])
    }
  }

  /// Sends messages of these lengths to the other rank, and receives messages of those.
  private static func exchange(
    _ world: InProcessCommunicator, sends: [Int], receives: [Int]
  ) throws {
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 100)
    memory.initialize(repeating: 0)
    defer { memory.deallocate() }
    var start = 0
    func messages(_ counts: [Int]) -> [Message] {
      counts.map { count in
        defer { start += count }
        return Message(peer: 1 - world.rank, memory: .init(rebasing: memory[start..<start + count]))
      }
    }
    let lists = (messages(sends), messages(receives))
    try lists.0.withUnsafeBufferPointer { sends in
      try lists.1.withUnsafeBufferPointer { receives in
        try world.exchange(sends: sends, receives: receives)
      }
    }
  }

  static let mismatches = [
    Mismatch(
      description: "another collective", words: ["barrier", "allgather(bytes:)"],
      first: { try $0.barrier() }, second: { _ = try $0.allgather(bytes: []) }),
    Mismatch(
      description: "another length of an allreduce", words: ["3 float", "4 float"],
      first: { try sum($0, [1, 2, 3] as [Float]) }, second: { try sum($0, [1, 2, 3, 4] as [Float]) }),
    Mismatch(
      description: "another type of an allreduce", words: ["2 double", "2 int64"],
      first: { try sum($0, [1, 2] as [Double]) }, second: { try sum($0, [1, 2] as [Int64]) }),
    Mismatch(
      description: "another reduction", words: ["(sum)", "(maximum)"],
      first: { try sum($0, [1] as [Float]) }, second: { try sum($0, [1] as [Float], .maximum) }),
    Mismatch(
      description: "another length of a started sum", words: ["[5]", "[6]"],
      first: { try startedSum($0, 5) }, second: { try startedSum($0, 6) }),
    Mismatch(
      description: "a sum that one rank has not started", words: ["[5]", "[]"],
      first: { try startedSum($0, 5) }, second: { try $0.finishAllreduces() }),
    Mismatch(
      description: "another root", words: ["from rank 0", "from rank 1"],
      first: { try broadcast($0, 3, from: 0) }, second: { try broadcast($0, 3, from: 1) }),
    Mismatch(
      description: "another length of a broadcast", words: ["3 bytes", "4 bytes"],
      first: { try broadcast($0, 3, from: 0) }, second: { try broadcast($0, 4, from: 0) }),
    Mismatch(
      description: "other slices", words: ["0..<1", "0..<2"],
      first: { try gather($0, 1) }, second: { try gather($0, 2) }),
    Mismatch(
      description: "a message of another length", words: ["from rank 0 to rank 1", "[4, 5]", "[4, 6]"],
      first: { try exchange($0, sends: [4, 5], receives: []) },
      second: { try exchange($0, sends: [], receives: [4, 6]) }),
    Mismatch(
      description: "a message that nobody receives", words: ["from rank 1 to rank 0", "[7]", "[]"],
      first: { try exchange($0, sends: [2], receives: []) },
      second: { try exchange($0, sends: [7], receives: [2]) }),
  ]

  @Test(arguments: mismatches) func callsThatDoNotFitAreAnErrorOfBoth(_ mismatch: Mismatch) throws {
    let (failure, thrown) = try failure(ranks: 2) { world in
      try (world.rank == 0 ? mismatch.first : mismatch.second)(world)
      try world.barrier()
    }
    #expect(thrown == 2)
    let error = try #require(failure.error as? MessagePassingError)
    for word in mismatch.words { #expect(error.description.contains(word), "\(error)") }
  }

  @Test func aSumUnderWayHoldsNoNumbers() throws {
    try InProcessWorld.run(ranks: 2) { world in
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 3)
      memory.initialize(repeating: Float(world.rank + 1))
      defer { memory.deallocate() }
      try world.startAllreduce(memory)
      try world.barrier()
      try world.progress()
      try check(memory.filter(\.isNaN).count, equals: 3, "elements that are no numbers")
      try world.finishAllreduces()
      try check(Array(memory), equals: [3, 3, 3], "the sums")
    }
  }

  @Test func writingToASumUnderWayIsAnError() throws {
    let (failure, _) = try failure(ranks: 2) { world in
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 3)
      memory.initialize(repeating: 1)
      defer { memory.deallocate() }
      try world.startAllreduce(memory)
      if world.rank == 1 { memory[2] = 0 }
      try world.finishAllreduces()
    }
    #expect(failure.rank == 1)
    #expect("\(failure)".contains("element 2 of sum 0"), "\(failure)")
  }

  @Test func startedSumsThatOverlapAreAnError() throws {
    let (failure, _) = try failure(ranks: 2) { world in
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 10)
      memory.initialize(repeating: 1)
      defer { memory.deallocate() }
      try world.startAllreduce(.init(rebasing: memory[0..<6]))
      try world.startAllreduce(.init(rebasing: memory[5..<10]))
    }
    #expect("\(failure)".contains("overlaps with that of sum 0"), "\(failure)")
  }

  @Test func receivingIntoMemoryThatIsSentIsAnError() throws {
    let (failure, _) = try failure(ranks: 2) { world in
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4)
      memory.initialize(repeating: 1)
      defer { memory.deallocate() }
      let message = [Message(peer: 1 - world.rank, memory: memory)]
      try message.withUnsafeBufferPointer { try world.exchange(sends: $0, receives: $0) }
    }
    #expect("\(failure)".contains("overlapping"), "\(failure)")
  }

  /// To what is sent, and to where something is to come.
  @Test(arguments: [(0, "sent to rank 0"), (2, "where rank 0's message")])
  func writingToAMessageUnderWayIsAnError(_ element: Int, _ words: String) throws {
    let (failure, _) = try failure(ranks: 2) { world in
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4)
      memory.initialize(repeating: 1)
      defer { memory.deallocate() }
      let sends = [Message(peer: 1 - world.rank, memory: .init(rebasing: memory[..<2]))]
      let receives = [Message(peer: 1 - world.rank, memory: .init(rebasing: memory[2...]))]
      try sends.withUnsafeBufferPointer { sends in
        try receives.withUnsafeBufferPointer { try world.startExchange(sends: sends, receives: $0) }
      }
      if world.rank == 1 { memory[element] = 0 }
      try world.finishExchanges()
    }
    #expect(failure.rank == 1)
    #expect("\(failure)".contains(words), "\(failure)")
  }

  /// (1e8 + -1e8) + 1 is 1 in floats, in any other order it is 0 or 1: 1e8 + 1 is 1e8.
  @Test func sumsAreAddedInTheOrderOfTheRanks() throws {
    try InProcessWorld.run(ranks: 3) { world in
      var values: [Float] = [[1e8, -1e8, 1][world.rank], [1, 1e8, -1e8][world.rank]]
      let expected: [Float] = [1, 0]
      try values.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
      try check(values, equals: expected, "sums")
      values = [[1e8, -1e8, 1][world.rank], [1, 1e8, -1e8][world.rank]]
      try values.withUnsafeMutableBufferPointer { memory in
        try world.startAllreduce(memory)
        try world.finishAllreduces()
      }
      try check(values, equals: expected, "sums")
    }
  }

  @Test func ranksCanBeDealtToSeveralMachines() throws {
    let machines = Mutex<[Int: Machine]>([:])
    try InProcessWorld.run(ranks: 5, ranksPerMachine: 2) { world in
      machines.withLock { $0[world.rank] = world.machine }
    }
    let found = machines.withLock { $0 }
    #expect((0..<5).map { found[$0]?.ranks } == [[0, 1], [0, 1], [2, 3], [2, 3], [4]])
    #expect(Set(found.values.map(\.name)).count == 3)
  }
}
