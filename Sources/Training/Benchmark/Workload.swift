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
  let widths: [Int]
  let optimizer: Optimizer

  public static let all = [
    Workload(
      name: "mlp-small", batchPerRank: 64, widths: [784, 128, 10],
      optimizer: .sgd(learningRate: 0.05, momentum: 0.9)),
    Workload(
      name: "mlp", batchPerRank: 128, widths: [784, 1024, 1024, 10], optimizer: .adam(learningRate: 1e-3)),
  ]

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
    /// Of the matrix products, forward and backward, over all ranks.
    public let gigaflops: Double
    /// Of this process, at its highest.
    public let peakMemoryMiB: Double
  }

  /// Every rank calls it; every rank gets its own figures.
  public func measure(seconds: Double, in world: World) throws -> Result {
    let batch = batchPerRank * world.size
    let data = try Self.noise(count: 8 * batch, inputs: widths[0], classes: widths.last ?? 1)
    let trainer = try Trainer(
      MultilayerPerceptron(widths: widths), loss: .crossEntropy, optimizer: optimizer, data: data,
      batch: batch,
      shards: world.size, in: world)

    // A few steps to warm up, then as many as fit; every rank takes the same number.
    let begin = MonotonicTime.seconds
    _ = try trainer.fit(untilStep: 20) { _ in }
    var steps = [Int64(20 * seconds / max(MonotonicTime.seconds - begin, 1e-6))]
    try steps.withUnsafeMutableBufferPointer { try world.communicator.allreduce($0, .minimum) }
    let count = min(max(Int(steps[0]), 20), 1_000_000)

    var times: [Double] = []
    times.reserveCapacity(count)
    var last = MonotonicTime.nanoseconds
    _ = try trainer.fit(untilStep: 20 + count) { _ in
      let now = MonotonicTime.nanoseconds
      times.append(Double(now &- last) * 1e-6)
      last = now
    }
    times.sort()
    let median = times[times.count / 2]
    let forward = try trainer.objective.floatingPointOperationsPerSample()
    // Backward takes twice the forward pass, less the first layer's gradient of its input.
    let operations = 3 * forward - 2 * widths[0] * widths[1]
    let samplesPerSecond = Double(batch) / median * 1e3
    return Result(
      workload: name, ranks: world.size, samplesPerSecond: samplesPerSecond,
      stepMilliseconds: .init(median: median, p10: times[times.count / 10], p90: times[times.count * 9 / 10]),
      gigaflops: samplesPerSecond * Double(operations) * 1e-9, peakMemoryMiB: PeakMemory.mebibytes)
  }

  private static func noise(count: Int, inputs: Int, classes: Int) throws -> TensorDataset {
    var stream = RandomStream(seed: 1, purpose: .test)
    let values = (0..<count * inputs).map { _ in stream.normal() }
    let labels = (0..<count).map { _ in Int32(stream.integer(below: classes)) }
    return try TensorDataset(inputs: values, inputShape: [inputs], labels: labels, classes: classes)
  }
}
