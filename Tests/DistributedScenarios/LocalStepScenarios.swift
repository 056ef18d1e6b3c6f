import Averaging
import MessagePassing
import Optimizers
import TensorCore

// Workers that train by themselves, held to the algorithm written out in double precision.

/// A made-up training run by local steps. The gradients depend on the parameters, as real ones do.
private final class LocalRun {
  static let layout = averagingLayouts[2].layout
  static let shards = Shards(8)
  static let period = 3
  static let batches = [37, 37, 3, 37, 3, 37, 37, 37]

  let world: any Communicator
  let step: PeriodicStep

  init(_ world: any Communicator, _ workers: LocalSteps.Workers, wire: WireFormat = .float32) throws {
    self.world = world
    step = try PeriodicStep(
      world, LocalSteps(period: Self.period, workers: workers), layout: Self.layout,
      optimizer: .adam(learningRate: 0.01), shards: Self.shards, batchSizes: [3, 37], wire: wire)
    try step.fill { parameters in
      let initial = Self.initialParameters
      for element in initial.indices { parameters.base[element] = initial[element] }
    }
  }

  static var initialParameters: [Float] {
    var values = [Float](repeating: 0, count: layout.count)
    for entry in layout.entries {
      for element in entry.range { values[element] = Float((element * 37) % 101 - 50) / 100 }
    }
    return values
  }

  static func averages(after number: Int) -> Bool {
    (number + 1) % period == 0 || number == batches.count - 1
  }

  /// - Parameter spoiled: a shard of which a gradient is no number.
  func run(_ number: Int, stopRequested: Bool = false, spoiled: Int? = nil) throws {
    let batch = Self.batches[number]
    let parameters = step.inner.parameters
    let madeUp = MadeUpShards(world, Self.layout, Self.shards, batch: batch) { shard, samples, element in
      if shard == spoiled, element == Self.layout.entries[4].offset { return .nan }
      return Float(samples) * (unevenValue(number, shard, element) + 0.25 * parameters.base[element])
    }
    try step.run(
      step: number, batch: batch, stopRequested: stopRequested, phase: { _ in }, compute: madeUp.compute)
  }

  func average(_ number: Int) throws -> SynchronizedStep.Outcome {
    try step.average(step: number, saveRequested: false, phase: { _ in })
  }
}

/// The same by algorithm 1 of Douillard et al. 2023, for all workers.
private struct AlgorithmRun {
  /// The shards of each worker.
  let workers: [[Int]]
  /// Each worker's parameters, in the order of the layout's entries.
  var updates: [[ReferenceUpdate]]
  var parameters: [[Double]]
  var momentum: [[Double]]

  init(_ world: any Communicator, _ kind: LocalSteps.Workers) {
    let runs = LocalRun.shards.ranges(ofRanks: world.size)
    let ranks = kind == .machines ? world.machines : (0..<world.size).map { $0..<$0 + 1 }
    workers = ranks.map { $0.flatMap { Array(runs[$0]) } }
    let initial = LocalRun.initialParameters
    let parameters = LocalRun.layout.entries.map { $0.range.map { Double(initial[$0]) } }
    self.parameters = parameters
    momentum = parameters.map { $0.map { _ in 0 } }
    updates = workers.map { _ in
      parameters.map { ReferenceUpdate(weights: $0, rule: Optimizer.adam(learningRate: 0.01).rule) }
    }
  }

  mutating func run(_ number: Int) {
    let batch = LocalRun.batches[number]
    let sizes = (0..<8).map { batch / 8 + ($0 < batch % 8 ? 1 : 0) }
    for (worker, shards) in workers.enumerated() {
      let samples = shards.reduce(0) { $0 + sizes[$1] }
      guard samples > 0 else { continue }
      for (index, entry) in LocalRun.layout.entries.enumerated() {
        let weights = updates[worker][index].weights
        let gradients = zip(entry.range, weights).map { element, weight in
          let sum = shards.reduce(0) { $0 + Double(sizes[$1]) * Double(unevenValue(number, $1, element)) }
          return sum / Double(samples) + 0.25 * weight
        }
        updates[worker][index].apply(
          updates[worker][index].rule, gradients: gradients, learningRate: 0.01, step: number + 1)
      }
    }
  }

  mutating func average() {
    for index in parameters.indices {
      for element in parameters[index].indices {
        let mean = updates.reduce(0) { $0 + $1[index].weights[element] } / Double(workers.count)
        let way = parameters[index][element] - mean
        momentum[index][element] = 0.9 * momentum[index][element] + way
        parameters[index][element] -= 0.7 * (way + 0.9 * momentum[index][element])
      }
      for worker in updates.indices { updates[worker][index].weights = parameters[index] }
    }
  }

  func check(_ found: Arena<Float>, equals expected: [[Double]], within bound: Double, _ what: String) throws
  {
    for (entry, values) in zip(LocalRun.layout.entries, expected) {
      for (element, value) in zip(entry.range, values) {
        try DistributedScenarios.check(
          abs(Double(found.base[element]) - value) < bound,
          "\(what), element \(element): expected \(value), found \(found.base[element])")
      }
    }
  }
}

extension ReferenceUpdate {
  /// That of the runs above.
  fileprivate var rule: UpdateRule { Optimizer.adam(learningRate: 0.01).rule }
}

extension Scenario {
  static let localSteps: [Scenario] = [
    Scenario("workers that train by themselves go where the algorithm says") { world in
      for (kind, wire) in LocalSteps.Workers.allCases.flatMap({ kind in
        WireFormat.allCases.map { (kind, $0) }
      }) {
        let run = try LocalRun(world, kind, wire: wire)
        var algorithm = AlgorithmRun(world, kind)
        let own = worker(of: world, algorithm.workers)
        try check(run.step.workers, equals: algorithm.workers.map(\.count), "shards of the workers")
        // Rounded are the ways of the workers, of a few hundredths, and then the parameters, of at most a half or so.
        let bound = wire == .float32 ? 1e-5 : 2e-2
        var (loss, correct, samples) = (0, 0, 0)
        for number in LocalRun.batches.indices {
          let what = "workers: \(kind), \(wire), step \(number)"
          try run.run(number)
          algorithm.run(number)
          let sizes = LocalRun.shards.ranges(ofBatch: LocalRun.batches[number]).map(\.count)
          for shard in sizes.indices where sizes[shard] > 0 {
            loss += MadeUpShards.loss(shard)
            correct += MadeUpShards.correct(shard, sizes[shard])
            samples += sizes[shard]
          }
          let parameters = run.step.inner.parameters
          try algorithm.check(
            parameters, equals: algorithm.updates[own].map(\.weights), within: bound, "alone, \(what)")
          guard LocalRun.averages(after: number) else { continue }
          let outcome = try run.average(number)
          algorithm.average()
          try algorithm.check(parameters, equals: algorithm.parameters, within: bound, "averaged, \(what)")
          try checkEqualOnAllRanks(world, parameters, what)
          try check(outcome.samples, equals: samples, "samples, \(what)")
          try check(outcome.loss, equals: Float(loss), "loss, \(what)")
          try check(outcome.correct, equals: correct, "correct samples, \(what)")
          try check(!outcome.shouldStop, "a stop that nobody asked for, \(what)")
          (loss, correct, samples) = (0, 0, 0)
          if wire == .bfloat16 {
            let isRounded = parameters.buffer.allSatisfy { $0.bitPattern & 0xFFFF == 0 }
            try check(isRounded, "parameters are rounded, \(what)")
          }
        }
      }
    },

    Scenario("a request to stop reaches all workers at the next averaging") { world in
      for kind in LocalSteps.Workers.allCases {
        let run = try LocalRun(world, kind)
        for rank in 0..<world.size {
          try run.run(0, stopRequested: world.rank == rank)
          try run.run(1)
          try check(try run.average(1).shouldStop, "\(kind): rank \(rank)'s stop is not heard")
          try run.run(3)
          try check(!(try run.average(3).shouldStop), "\(kind): an old stop is heard")
        }
      }
    },

    Scenario("what a worker cannot use ends the training of all, and its rank is named") { world in
      for kind in LocalSteps.Workers.allCases {
        for shard in [0, 7] {
          let run = try LocalRun(world, kind)
          try run.run(0)
          try run.run(1, spoiled: shard)
          let rank = try numbersInJob(world)[shard == 0 ? 0 : world.size - 1]
          let culprit = "hidden.weight (rank \(rank), shard \(shard)), in step 2"
          var refusal: AveragingError?
          do { _ = try run.average(1) } catch let error as AveragingError { refusal = error }
          guard let refusal else { throw CheckFailure("the fault of \(culprit) passes") }
          try check(refusal.diagnosis.found.hasSuffix(culprit), "expected \(culprit), found \(refusal)")
          let all = try world.allgather(bytes: Array(refusal.description.utf8))
          try check(all, equals: all.map { _ in all[0] }, "the error on all ranks")
        }
      }
    },
  ]

  /// The number of the worker that computes this rank's first shard.
  private static func worker(of world: any Communicator, _ workers: [[Int]]) -> Int {
    let own = LocalRun.shards.ranges(ofRanks: world.size)[world.rank].lowerBound
    return workers.firstIndex { $0.contains(own) } ?? 0
  }
}
