import Datasets
import Layers
import MessagePassing
import Optimizers
import TensorCore

/// A benchmark model with its batch and optimizer, trained for some seconds through the same trainer as any
/// other, the loader included.
public struct Workload: Sendable {
  public let name: String
  /// Samples of a step on each rank.
  public let batchPerRank: Int
  package let model: any Layer
  package let input: Input
  package let optimizer: Optimizer

  /// What a sample is: random, since only the time is measured.
  package enum Input: Sendable {
    /// Numbers of this shape, with one of ten classes.
    case numbers([Int])
    /// So many of 65 tokens, each with the one that follows.
    case tokens(Int)
  }

  static let vocabulary = 65

  public static let all = [
    Workload(
      name: "mlp-small", batchPerRank: 64, model: MultilayerPerceptron(widths: [784, 128, 10]),
      input: .numbers([784]), optimizer: .sgd(learningRate: 0.05, momentum: 0.9)),
    Workload(
      name: "mlp", batchPerRank: 128, model: MultilayerPerceptron(widths: [784, 1024, 1024, 10]),
      input: .numbers([784]), optimizer: .adam(learningRate: 1e-3)),
    Workload(
      name: "lenet", batchPerRank: 64, model: Sequential.lenet(classes: 10), input: .numbers([1, 28, 28]),
      optimizer: .adam(learningRate: 1e-3)),
    Workload(
      name: "resnet20", batchPerRank: 64, model: ResNet(depth: 20, classes: 10),
      input: .numbers([3, 32, 32]),
      optimizer: .sgd(learningRate: 0.05, momentum: 0.9)),
    Workload(
      name: "lstm", batchPerRank: 32,
      model: RecurrentLanguageModel(vocabulary: vocabulary, cell: .lstm, width: 256), input: .tokens(64),
      optimizer: .adam(learningRate: 1e-3)),
    Workload(
      name: "gpt-tiny", batchPerRank: 12,
      model: GPT(vocabulary: vocabulary, context: 64, width: 128, layers: 4, heads: 4), input: .tokens(64),
      optimizer: .adamW(learningRate: 1e-3)),
    Workload(
      name: "gpt", batchPerRank: 8,
      model: GPT(vocabulary: vocabulary, context: 256, width: 384, layers: 6, heads: 6), input: .tokens(256),
      optimizer: .adamW(learningRate: 1e-3)),
  ]

  /// The workload of this name; throws where there is none.
  public static func named(_ name: String) throws(TrainingError) -> Workload {
    if let workload = all.first(where: { $0.name == name }) { return workload }
    let near = NearestName.nearest(to: name, among: all.map(\.name))
    throw TrainingError(
      at: "workload:\(name)", expected: all.map(\.name).joined(separator: ", "), found: name,
      remedy: near.map { "Did you mean workload:\($0)?" } ?? "Name one of these.")
  }

  /// What was measured.
  public struct Result: Sendable, Encodable {
    public struct Milliseconds: Sendable, Encodable {
      public let median: Double
      public let p10: Double
      public let p90: Double
    }

    public let workload: String
    public let ranks: Int
    /// Over all ranks, at the median step.
    public let samplesPerSecond: Double
    public let stepMilliseconds: Milliseconds
    /// Of products, convolutions, recurrent cells and attention, forward and backward, over all ranks.
    public let gigaflops: Double
    /// Of this process, at its highest.
    public let peakMemoryMiB: Double
  }

  /// Every rank calls it; every rank gets its own figures.
  ///
  /// - Parameter profiles: whether to note the time of every instruction, and to print it on rank 0.
  public func measure(seconds: Double, profiles: Bool = false, in world: World) throws -> Result {
    let batch = batchPerRank * world.size
    let trainer = try Trainer(
      model, loss: .crossEntropy, optimizer: optimizer, data: noise(count: 8 * batch), batch: batch,
      shards: world.size, in: world)

    // A few steps to warm up, then as many as fit; every rank takes the same number.
    _ = try trainer.fit(untilStep: 2) { _ in }
    let begin = MonotonicTime.seconds
    _ = try trainer.fit(untilStep: 5) { _ in }
    var steps = [Int64(3 * seconds / max(MonotonicTime.seconds - begin, 1e-6))]
    try steps.withUnsafeMutableBufferPointer { try world.communicator.allreduce($0, .minimum) }
    let count = min(max(Int(steps[0]), 10), 1_000_000)

    let profile = profiles ? try trainer.startProfile(shardLength: batchPerRank) : nil
    var times: [Double] = []
    times.reserveCapacity(count)
    var last = MonotonicTime.nanoseconds
    _ = try trainer.fit(untilStep: 5 + count) { _ in
      let now = MonotonicTime.nanoseconds
      times.append(Double(now &- last) * 1e-6)
      last = now
    }
    times.sort()
    if let profile, world.rank == 0 { print(profile.table) }
    let median = times[times.count / 2]
    let operations = try trainer.objective.trainingPlan(batch: batchPerRank).floatingPointOperations
    return Result(
      workload: name, ranks: world.size, samplesPerSecond: Double(batch) / median * 1e3,
      stepMilliseconds: .init(median: median, p10: times[times.count / 10], p90: times[times.count * 9 / 10]),
      gigaflops: Double(operations * world.size) / median * 1e-6, peakMemoryMiB: PeakMemory.mebibytes)
  }

  /// So many random samples.
  func noise(count: Int) throws -> any Dataset {
    var stream = RandomStream(seed: 1, purpose: .test)
    switch input {
    case .numbers(let shape):
      let values = (0..<count * shape.reduce(1, *)).map { _ in stream.normal() }
      let labels = (0..<count).map { _ in Int32(stream.integer(below: 10)) }
      return try TensorDataset(inputs: values, inputShape: shape, labels: labels, classes: 10)
    case .tokens(let context):
      let tokens = (0...count * context).map { _ in Int32(stream.integer(below: Self.vocabulary)) }
      return try TextWindows(
        tokens, vocabularySize: Self.vocabulary, context: context, stride: context)
    }
  }
}
