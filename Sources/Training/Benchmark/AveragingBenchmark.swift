import Averaging
import MessagePassing
import Optimizers
import TensorCore

/// Averaging and the optimizer's update alone, without a model: each strategy against `MPI_Allreduce` of the whole
/// gradient followed by the same fused update on every rank.
///
/// Both are measured in turn in one run: some steps of the plain way, as many of the strategy, and again. A step
/// begins when all ranks have written their gradients, and ends when the slowest has the new parameters.
package struct AveragingBenchmark {
  /// A way to sum gradients and to share parameters.
  package struct Strategy: Sendable {
    package let name: String
    /// One gradient of one sample a rank.
    package let make: @Sendable (any Communicator, VectorLayout, Shards) throws -> any GradientSum
  }

  package static let strategies = [
    Strategy(name: "shared") {
      try OwnerSum($0, layout: $1, shards: $2, batchSizes: [$2.count], sharing: true)
    },
    Strategy(name: "ordered") {
      try OwnerSum($0, layout: $1, shards: $2, batchSizes: [$2.count], sharing: false)
    },
    Strategy(name: "allreduce") {
      AllreduceSum($0, layout: $1, shards: $2, batchSizes: [$2.count], bucketBytes: 1 << 20)
    },
  ]

  /// Numbers of parameters: 2^14, 2^16, … 2^24.
  package static let sizes = stride(from: 14, through: 24, by: 2).map { 1 << $0 }

  private static let optimizer = Optimizer.adam(learningRate: 1e-3)
  private static let leastRounds = 5
  private static let blockSeconds = 0.02

  private let communicator: any Communicator
  private let layout: VectorLayout
  private let plain: PlainAveraging
  private let contenders: [(name: String, way: StrategyAveraging)]

  package init(parameters: Int, over communicator: any Communicator) throws {
    PeakMemory.restart()
    self.communicator = communicator
    let layout = VectorLayout([("weight", [parameters])])
    self.layout = layout
    let gradient = Self.gradient(parameters, rank: communicator.rank)
    plain = PlainAveraging(communicator, layout, Self.optimizer, gradient)
    contenders = try Self.strategies.map { strategy in
      let sum = try strategy.make(communicator, layout, Shards(communicator.size))
      return (strategy.name, StrategyAveraging(communicator, layout, Self.optimizer, gradient, sum))
    }
  }

  /// Multiples of 2⁻⁸ that differ between ranks. Their sums are exact, in whatever order they are added.
  private static func gradient(_ count: Int, rank: Int) -> Arena<Float> {
    let gradient = Arena<Float>(count: count)
    for index in 0..<count { gradient.base[index] = Float((7 * index + 13 * rank) % 61 - 30) / 256 }
    return gradient
  }

  /// A record for each strategy, the same on all ranks. All ranks call it.
  package func measure(seconds: Double) throws -> [BenchmarkRecord] {
    let ways: [any AveragingWay] = [plain] + contenders.map(\.way)
    // The first steps touch the memory; they also show that all ways arrive at the same parameters.
    var slowest = 0.0
    for way in ways {
      for _ in 0..<3 { slowest = max(slowest, try communicator.largest(way.step())) }
    }
    try requireEqualParameters()
    let length = min(max(Int(Self.blockSeconds / slowest), 1), 200)
    let rounds = Int(seconds / (slowest * Double((length + 1) * ways.count)))

    var times = ways.map { _ in [Double]() }
    var medians = ways.map { _ in [Double]() }
    for _ in 0..<min(max(rounds, Self.leastRounds), 1000) {
      for (index, way) in ways.enumerated() {
        // The first step of a block finds the other way's memory in the caches, and is not counted.
        _ = try way.step()
        var block: [Double] = []
        for _ in 0..<length { block.append(try way.step() * 1e3) }
        block = try communicator.largest(block)
        times[index] += block
        medians[index].append(block.sorted()[length / 2])
      }
    }
    let memory = try communicator.largest(PeakMemory.mebibytes)
    return contenders.indices.map { index in
      let spread = BenchmarkRecord.Spread(times[index + 1])
      var record = BenchmarkRecord(
        workload: "averaging", ranks: communicator.size,
        samplesPerSecond: Double(communicator.size) / spread.median * 1e3, stepMilliseconds: spread,
        peakMemoryMiB: memory)
      record.strategy = contenders[index].name
      record.parameters = layout.parameterCount
      record.allreduceMilliseconds = BenchmarkRecord.Spread(times[0])
      record.ratio = BenchmarkRecord.Spread(zip(medians[0], medians[index + 1]).map { $0 / $1 })
      return record
    }
  }

  /// How far each strategy's parameters are from those of the plain way, at most, after the same steps of each.
  package func differences() -> [Float] {
    contenders.map { contender in
      (0..<layout.count).reduce(0) {
        max($0, (contender.way.parameters.base[$1] - plain.parameters.base[$1]).magnitude)
      }
    }
  }

  /// Where the plain way has arrived, and after how many steps.
  package var reference: (parameters: [Float], steps: Int) {
    (Array(plain.parameters.buffer(0..<layout.parameterCount)), plain.steps)
  }

  /// What this rank gives in every step.
  package var gradient: [Float] { Array(plain.gradient.buffer) }

  private func requireEqualParameters() throws {
    for (contender, difference) in zip(contenders, differences()) where !(difference <= 1e-6) {
      throw TrainingError(
        at: "averaging by \(contender.name)", expected: "the parameters that MPI_Allreduce leads to",
        found: "a difference of \(difference)",
        remedy: "Report this: the MPI library or Lockstep adds wrongly here.")
    }
  }
}

/// One of the ways that are compared.
private protocol AveragingWay: AnyObject {
  var parameters: Arena<Float> { get }
  /// One step of this rank in seconds, from when all ranks have written their gradients.
  func step() throws -> Double
}

/// `MPI_Allreduce` in place, and the whole update on every rank.
private final class PlainAveraging: AveragingWay {
  let parameters: Arena<Float>
  let gradient: Arena<Float>
  private(set) var steps = 0
  private let communicator: any Communicator
  private let sum: Arena<Float>
  private let optimizer: Optimizer
  private let state: OptimizerState

  init(
    _ communicator: any Communicator, _ layout: VectorLayout, _ optimizer: Optimizer, _ gradient: Arena<Float>
  ) {
    self.communicator = communicator
    self.optimizer = optimizer
    self.gradient = gradient
    parameters = Arena(count: layout.vectorCount)
    sum = Arena(count: layout.count)
    state = OptimizerState(optimizer, layout: layout, range: 0..<layout.count)
  }

  func step() throws -> Double {
    sum.base.update(from: gradient.base, count: gradient.count)
    try communicator.barrier()
    let begin = MonotonicTime.seconds
    try communicator.allreduce(sum.buffer, .sum)
    steps += 1
    state.update(
      parameters: parameters.base, gradients: sum.base, scale: 1 / Float(communicator.size),
      learningRate: optimizer.learningRate, step: steps)
    return MonotonicTime.seconds - begin
  }
}

/// A whole synchronized step, whose gradients are written without a model.
private final class StrategyAveraging: AveragingWay {
  var parameters: Arena<Float> { synchronized.parameters }
  private let communicator: any Communicator
  private let layout: VectorLayout
  private let gradient: Arena<Float>
  private let synchronized: SynchronizedStep
  private var number = 0
  private var begin = 0.0

  init(
    _ communicator: any Communicator, _ layout: VectorLayout, _ optimizer: Optimizer,
    _ gradient: Arena<Float>, _ sum: any GradientSum
  ) {
    self.communicator = communicator
    self.layout = layout
    self.gradient = gradient
    synchronized = SynchronizedStep(communicator, layout: layout, optimizer: optimizer, sum: sum)
  }

  func step() throws -> Double {
    _ = try synchronized.run(
      step: number, batch: communicator.size, stopRequested: false, phase: { _ in },
      compute: { _, gradients, observer in
        gradients.update(from: gradient.base, count: gradient.count)
        let riders = gradients + layout.riders.lowerBound
        riders.update(repeating: 0, count: Rider.room)
        riders[Rider.samples.rawValue] = 1
        riders[Rider.shards.rawValue] = 1
        try communicator.barrier()
        begin = MonotonicTime.seconds
        try observer?.isComplete(prefix: layout.count)
      })
    number += 1
    return MonotonicTime.seconds - begin
  }
}
