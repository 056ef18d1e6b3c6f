import Datasets
import Layers
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

  /// Random samples: numbers or windows of tokens, each token told once.
  package func noise(count: Int) throws -> any Dataset {
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
