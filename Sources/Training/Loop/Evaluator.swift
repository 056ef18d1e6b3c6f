import Autodiff
import Averaging
import Datasets
import Layers
import MessagePassing
import TensorCore

/// How well a model does on a data set.
public struct Evaluation: Sendable, Equatable {
  /// The mean over the samples.
  public let loss: Double
  /// The share of samples classified correctly; nil where no classes are predicted.
  public let accuracy: Double?
  public let samples: Int
  /// Which classes were taken for which, if asked for.
  public let confusion: ConfusionMatrix?
}

/// Runs a model forward over a data set.
///
/// Samples pass in shards of a fixed size, whatever the number of ranks, and the shards' sums are added in
/// their order: so the figures are the same on any number of ranks, bit for bit.
public final class Evaluator {
  private let objective: Objective
  private let parameters: Arena<Float>
  private let communicator: any Communicator
  private let shardLength: Int
  private let onlyRankZero: Bool
  private var passes: [PassKind: Pass] = [:]
  /// Called after every pass.
  var afterPass: () -> Void = {}

  private struct PassKind: Hashable {
    let count: Int
    /// nil for predictions.
    let target: Target?
    let isWeighted: Bool
  }

  /// A plan with its memory.
  private struct Pass {
    let plan: Plan
    let activations: Arena<Float>
    let results: Arena<Float>
    let riders = Arena<Float>(count: Rider.room)
    let inputs: Arena<Float>
    let labels: Arena<Int32>
    let values: Arena<Float>
    let weights: Arena<Float>
  }

  /// - Parameters:
  ///   - shardLength: the samples of one pass.
  ///   - onlyRankZero: whether rank 0 computes everything instead of sharing the shards out.
  package init(
    _ objective: Objective, parameters: Arena<Float>, communicator: any Communicator, shardLength: Int,
    onlyRankZero: Bool = false
  ) {
    self.objective = objective
    self.parameters = parameters
    self.communicator = communicator
    self.shardLength = shardLength
    self.onlyRankZero = onlyRankZero
  }

  /// All ranks call it, and all get the same.
  public func evaluate(_ data: any Dataset, confusion wantsConfusion: Bool = false) throws -> Evaluation {
    let shardCount = (data.count + shardLength - 1) / shardLength
    let runs =
      onlyRankZero
      ? (0..<communicator.size).map { $0 == 0 ? 0..<shardCount : shardCount..<shardCount }
      : Shards(shardCount).ranges(ofRanks: communicator.size)
    // Only of single answers is it told which was taken for which.
    let classes =
      if case .classes(let count, perSample: 1) = target(of: data), wantsConfusion { count } else { 0 }
    // The loss of each shard, then how many were correct.
    let sums = Arena<Double>(count: 2 * shardCount)
    var confusion = ConfusionMatrix(classes: max(classes, 1))

    for shard in runs[communicator.rank] {
      let samples = shard * shardLength..<min((shard + 1) * shardLength, data.count)
      let pass = try run(data, Array(samples), forward: false)
      sums.base[2 * shard] = Double(pass.riders.base[Rider.loss.rawValue])
      sums.base[2 * shard + 1] = Double(pass.riders.base[Rider.correct.rawValue])
      guard classes > 0 else { continue }
      for row in 0..<samples.count {
        let best = Self.largest(UnsafeBufferPointer(start: pass.results.base + row * classes, count: classes))
        confusion.add(actual: Int(pass.labels.base[row]), predicted: best)
      }
    }

    try communicator.allgather(sums.buffer, slices: runs.map { 2 * $0.lowerBound..<2 * $0.upperBound })
    var counts = confusion.counts
    if classes > 0 {
      try counts.withUnsafeMutableBufferPointer { try communicator.allreduce($0, .sum) }
    }
    var (loss, correct) = (0.0, 0.0)
    for shard in 0..<shardCount {
      loss += sums.base[2 * shard]
      correct += sums.base[2 * shard + 1]
    }
    let answers = objective.target.answersPerSample * data.count
    return Evaluation(
      loss: loss / Double(data.count), accuracy: answers > 0 ? correct / Double(answers) : nil,
      samples: data.count,
      confusion: classes > 0 ? ConfusionMatrix(classes: classes, counts: counts) : nil)
  }

  /// What the model gives for some samples, [samples, outputs]: probabilities of the classes, or values.
  /// On this rank alone.
  public func predict(_ data: any Dataset, samples: [Int]) throws -> [[Float]] {
    var rows: [[Float]] = []
    for start in stride(from: 0, to: samples.count, by: shardLength) {
      let part = Array(samples[start..<min(start + shardLength, samples.count)])
      let pass = try run(data, part, forward: true)
      rows += part.indices.map { row in
        Array(
          UnsafeBufferPointer(
            start: pass.results.base + row * objective.outputCount, count: objective.outputCount))
      }
    }
    return rows
  }

  /// The position of the largest of some numbers; of equal ones the first.
  package static func largest(_ numbers: UnsafeBufferPointer<Float>) -> Int {
    var best = 0
    for index in numbers.indices where numbers[index] > numbers[best] { best = index }
    return best
  }

  /// What is to be answered: what the data say, but for a model that gives back its input.
  private func target(of data: any Dataset) -> Target {
    if case .input = objective.target { objective.target } else { data.target }
  }

  private func run(_ data: any Dataset, _ samples: [Int], forward: Bool) throws(GraphError) -> Pass {
    let target = target(of: data)
    let key = PassKind(
      count: samples.count, target: forward ? nil : target, isWeighted: data.isWeighted)
    let pass: Pass
    if let known = passes[key] {
      pass = known
    } else {
      pass = try makePass(
        forward
          ? objective.predictionPlan(batch: samples.count)
          : objective.evaluationPlan(
            batch: samples.count, target: target, isWeighted: data.isWeighted), data)
      passes[key] = pass
    }
    let targets = TargetMemory(
      labels: data.target.labelsPerSample > 0 ? pass.labels.base : nil,
      values: data.target.valuesPerSample > 0 ? pass.values.base : nil,
      weights: data.isWeighted ? pass.weights.base : nil)
    samples.withUnsafeBufferPointer {
      data.fill($0, epoch: 0, inputs: pass.inputs.base, targets: targets)
    }
    var memory = Bindings(
      parameters: UnsafePointer(parameters.base), gradients: pass.riders.base, riders: pass.riders.base,
      activations: pass.activations.base)
    memory.inputs = UnsafePointer(pass.inputs.base)
    memory.labels = UnsafePointer(pass.labels.base)
    memory.targets = UnsafePointer(pass.values.base)
    memory.weights = UnsafePointer(pass.weights.base)
    memory.results = pass.results.base
    Executor<FloatKernels>.run(pass.plan, memory)
    afterPass()
    return pass
  }

  private func makePass(_ plan: Plan, _ data: any Dataset) -> Pass {
    return Pass(
      plan: plan, activations: Arena(count: plan.activationCount), results: Arena(count: plan.resultCount),
      inputs: Arena(count: plan.batch * objective.inputShape.count),
      labels: Arena(count: plan.batch * data.target.labelsPerSample),
      values: Arena(count: plan.batch * data.target.valuesPerSample), weights: Arena(count: plan.batch))
  }
}
