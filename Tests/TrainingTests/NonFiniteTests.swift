import Averaging
import Datasets
import Layers
import MessagePassing
import Optimizers
import Synchronization
import TensorCore
import Testing
import Training

/// Steps whose numbers cannot be used: all ranks stop, or all pass them over, and it makes no difference how many they are.
@Suite(.serialized) struct NonFiniteTests {
  /// Values of which one, or all of a batch, make the squared error infinite in float32, and its gradient not.
  private static func data(wrong: Set<Int>, value: Float = 1e20) throws -> TensorDataset {
    var stream = RandomStream(seed: 5, purpose: .test)
    let inputs = (0..<96 * 3).map { _ in stream.normal() }
    let values = (0..<96).map { wrong.contains($0) ? value : stream.normal() }
    return try TensorDataset(inputs: inputs, inputShape: [3], values: values, valuesPerSample: 1)
  }

  private static func trainer(
    _ data: TensorDataset, _ averaging: AveragingStrategy = .auto, over world: any Communicator
  ) throws -> Trainer {
    try Trainer(
      Dense("linear", 3, 1), loss: .meanSquaredError, optimizer: .adam(learningRate: 0.01), data: data,
      batch: 16,
      shards: 8, isShuffled: false, averaging: averaging, over: world)
  }

  private static func bits(_ trainer: Trainer) -> [UInt32] { trainer.parameters.buffer.map(\.bitPattern) }

  @Test(arguments: [AveragingStrategy.shared, .ordered, .allreduce(bucketBytes: 64)])
  func aSkippedStepChangesNothingAndTheNextBatchFollows(_ averaging: AveragingStrategy) throws {
    // Sample 37 is in the third batch, in its third shard; 92 is in the last.
    let data = try Self.data(wrong: [37, 92])
    let digests = Mutex<Set<[UInt32]>>([])
    for ranks in 1...4 {
      try InProcessWorld.run(ranks: ranks) { world in
        let trainer = try Self.trainer(data, averaging, over: world)
        trainer.skippableSteps = 1
        var faults: [Int: String] = [:]
        var before: [UInt32] = []
        var (unchanged, sums) = (true, 0)
        _ = try trainer.fit(untilStep: 12) { outcome in
          if let fault = outcome.fault {
            faults[trainer.step] = fault
            unchanged = unchanged && before == Self.bits(trainer)
            if outcome.samples != 0 { sums += 1 }
          } else {
            unchanged = unchanged && before != Self.bits(trainer)
          }
          before = Self.bits(trainer)
          try world.barrier()
        }
        let owner = 2 / (8 / max(ranks, 1))
        if faults.keys.sorted() != [3, 6, 9, 12] || !unchanged || sums > 0 {
          throw Unexpected("\(faults) \(unchanged) \(sums)")
        }
        if ranks != 3, faults[3] != "the loss (rank \(owner), shard 2)" { throw Unexpected("\(faults)") }
        if trainer.skipped.count != 4 || trainer.skipped.inARow != 1 {
          throw Unexpected("\(trainer.skipped)")
        }
        if averaging == .shared || averaging == .ordered {
          digests.withLock { _ = $0.insert(Self.bits(trainer)) }
        }
      }
    }
    if averaging == .shared { #expect(digests.withLock { $0.count } == 1) }
  }

  @Test func theStateOfTheOptimizerStaysAsItIs() throws {
    let trainer = try Self.trainer(Self.data(wrong: [0]), over: InProcessCommunicator())
    trainer.skippableSteps = 1
    _ = try trainer.fit(untilStep: 1) { _ in }
    #expect(trainer.skipped.count == 1 && trainer.step == 1)
    let state = trainer.synchronized.state
    #expect(!state.vectors.isEmpty)
    #expect(state.vectors.allSatisfy { $0.buffer.allSatisfy { $0 == 0 } })
    #expect(trainer.epochSums.samples == 0 && trainer.epochSums.meanLoss.isNaN)
  }

  @Test func withoutLeaveToSkipAllRanksStopWithTheLossNamed() throws {
    let data = try Self.data(wrong: [5])
    let failure = #expect(throws: InProcessWorld.Failure.self) {
      try InProcessWorld.run(ranks: 2) { world in try Self.trainer(data, over: world).fit(epochs: 1) }
    }
    let error = try #require(failure?.error as? AveragingError)
    #expect("\(error)".contains("step 1: expected finite gradients and a finite loss"), "\(error)")
    #expect("\(error)".contains("the loss (rank 0, shard 2)"), "\(error)")
    #expect("\(error)".contains("nonFinite=skip"))
  }

  @Test func afterSoManyInARowTheNextOneEndsTheRun() throws {
    // The second batch of each epoch and those behind it.
    let data = try Self.data(wrong: [16, 32, 48, 64])
    let trainer = try Self.trainer(data, over: InProcessCommunicator())
    trainer.skippableSteps = 4
    _ = try trainer.fit(untilStep: 12) { _ in }
    #expect(trainer.skipped.count == 8)
    let other = try Self.trainer(data, over: InProcessCommunicator())
    other.skippableSteps = 3
    #expect(throws: AveragingError.self) { _ = try other.fit(untilStep: 12) { _ in } }
    #expect(other.step == 4 && other.skipped.inARow == 3)
  }

  @Test func lossesThatAreFiniteOneByOneAndNotTogetherAreAFaultToo() throws {
    // Each shard's loss is 2e38.
    let data = try Self.data(wrong: Set(0..<16), value: 1e19)
    let trainer = try Self.trainer(data, over: InProcessCommunicator())
    let error = #expect(throws: AveragingError.self) { try trainer.fit(epochs: 1) }
    #expect("\(try #require(error))".contains("the sum of all losses"), "\(String(describing: error))")
  }

  // MARK: Replicas

  @Test(arguments: [AveragingStrategy.ordered, .allreduce(bucketBytes: 64)])
  func aCopyThatDiffersIsNamedWithItsRankAndTensor(_ averaging: AveragingStrategy) throws {
    let data = try Self.data(wrong: [])
    try InProcessWorld.run(ranks: 4) { world in
      let trainer = try Self.trainer(data, averaging, over: world)
      try trainer.fit(epochs: 1)
      let audit = ReplicaAudit(trainer: trainer)
      if let difference = try audit.difference() { throw Unexpected("at first: \(difference)") }
      let entry = try #require(trainer.objective.layout.entries.last)
      if world.rank == 2 { trainer.parameters.base[entry.offset] += 1 }
      let found = try audit.difference()
      if found?.ranks != [2] || found?.tensor != entry.name {
        throw Unexpected("\(String(describing: found))")
      }
      if world.rank == 2 { trainer.parameters.base[entry.offset] -= 1 }
      // The state of the optimizer is everybody's only where everybody has all of it.
      if world.rank == 1, let vector = trainer.synchronized.state.vectors.first { vector.base[0] += 1 }
      let state = try audit.difference()
      let isReplicated = averaging != .ordered
      if (state?.ranks == [1]) != isReplicated || (state == nil) == isReplicated {
        throw Unexpected("\(String(describing: state))")
      }
    }
  }

  @Test func weightsThatRanksShareAreComparedBetweenMachinesOnly() throws {
    let data = try Self.data(wrong: [])
    for (perMachine, isSeen) in [(4, false), (2, true)] {
      try InProcessWorld.run(ranks: 4, ranksPerMachine: perMachine) { world in
        let trainer = try Self.trainer(data, .shared, over: world)
        try trainer.fit(epochs: 1)
        try world.barrier()
        if world.rank == 3 { trainer.parameters.base[0] += 1 }
        try world.barrier()
        let found = try ReplicaAudit(trainer: trainer).difference()
        // The first rank of its machine speaks for it.
        if (found?.ranks == [2]) != isSeen { throw Unexpected("\(perMachine): \(String(describing: found))") }
      }
    }
  }
}

private struct Unexpected: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
