// The models that are held to PyTorch's, by the names of scripts/fixtures/models.py, and data for them by
// formula.

import Autodiff
import Datasets
import FixtureSupport
import Layers
import MessagePassing
import Optimizers
import TensorCore
import Testing
import Training

/// A model with what it reads and what it is trained for.
struct PeerModel {
  let layer: any Layer
  /// Of a sample; tokens are [context].
  let inputShape: [Int]
  /// nil: numbers.
  var vocabulary: Int?
  let target: Target
  let loss: Loss

  init(_ name: String) throws {
    if let workload = Workload.all.first(where: { $0.name == name }) {
      switch workload.input {
      case .numbers(let shape):
        self.init(workload.model, shape, target: .classes(10))
      case .tokens(let context):
        self.init(workload.model, [context], vocabulary: 65, target: .classes(65, perSample: context))
      }
      return
    }
    switch name {
    case "parts":
      self.init(Self.parts, [2, 12, 9], target: .classes(10))
    case "attention":
      self.init(Sequential([.attention(heads: 3)]), [5, 12], target: .values(60))
    case "bidirectional lstm": self.init(Self.bidirectional(.lstm), [7, 6], target: .values(70))
    case "bidirectional gru": self.init(Self.bidirectional(.gru), [7, 6], target: .values(70))
    case "bidirectional rnn": self.init(Self.bidirectional(.tanh), [7, 6], target: .values(70))
    case "language model":
      self.init(
        RecurrentLanguageModel(vocabulary: 11, cell: .lstm, width: 8), [5], vocabulary: 11,
        target: .classes(11, perSample: 5))
    case "gpt of one layer":
      self.init(
        GPT(vocabulary: 11, context: 6, width: 12, layers: 1, heads: 3), [5], vocabulary: 11,
        target: .classes(11, perSample: 5))
    default: throw Unknown(name: name)
    }
  }

  private init(_ layer: any Layer, _ inputShape: [Int], vocabulary: Int? = nil, target: Target) {
    self.layer = layer
    self.inputShape = inputShape
    self.vocabulary = vocabulary
    self.target = target
    loss = target.classCount == nil ? .meanSquaredError : .crossEntropy
  }

  struct Unknown: Error {
    let name: String
  }

  /// One of each part that an image passes through.
  private static let parts = Sequential([
    .convolution(
      6, kernel: Size2D(height: 3, width: 5), stride: Size2D(height: 2, width: 1),
      padding: Size2D(height: 1, width: 2), usesBias: false),
    .batchNormalization, .activation(.relu), .maxPooling(2),
    .convolution(6, kernel: 3, padding: 2, dilation: 2, groups: 3), .activation(.gelu),
    .averagePooling(2, padding: 1),
    .transposedConvolution(4, kernel: 3, stride: 2, padding: 1, outputPadding: 1), .activation(.tanh),
    .dropout(0.25), .flatten, .layerNormalization, .dense(10),
  ])

  private static func bidirectional(_ cell: RecurrentCell) -> Sequential {
    Sequential([.recurrent(cell, hidden: 5, layers: 2, isBidirectional: true)])
  }

  /// A trainer of one rank on these data, whose steps are of `batch` samples in their order.
  func trainer(_ data: FormulaData, batch: Int, optimizer: Optimizer) throws -> Trainer {
    try Trainer(
      layer, loss: loss, optimizer: optimizer, data: data, batch: batch, shards: 1, isShuffled: false,
      over: InProcessCommunicator())
  }
}

/// Data that a formula gives, in memory.
struct FormulaData: Dataset {
  let count: Int
  let inputShape: [Int]
  let target: Target
  let inputs: [Float]
  let labels: [Int32]

  /// Any labels, or zeros to be predicted.
  init(_ model: PeerModel, inputs: [Float], labels: [Int]? = nil) {
    inputShape = model.inputShape
    target = model.target
    self.inputs = inputs
    count = inputs.count / model.inputShape.reduce(1, *)
    let needed = count * model.target.labelsPerSample
    self.labels = labels.map { $0.map(Int32.init) } ?? (0..<needed).map { Int32($0 % 7) }
    precondition(self.labels.count == needed)
  }

  func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    let (size, answers) = (inputSize, target.labelsPerSample)
    for (row, sample) in samples.enumerated() {
      for index in 0..<size { inputs[row * size + index] = self.inputs[sample * size + index] }
      for index in 0..<answers { targets.labels?[row * answers + index] = labels[sample * answers + index] }
      for index in 0..<target.valuesPerSample { targets.values?[row * target.valuesPerSample + index] = 0 }
    }
  }

  func digest() -> String { "a formula" }
}

extension Trainer {
  /// What the model gives for a batch, before any softmax.
  func outputs(_ inputs: [Float]) throws -> [Float] {
    let plan = try objective.outputPlan(batch: inputs.count / objective.inputShape.count)
    let activations = Arena<Float>(count: plan.activationCount)
    let (riders, results) = (Arena<Float>(count: Rider.room), Arena<Float>(count: plan.resultCount))
    inputs.withUnsafeBufferPointer { inputs in
      var memory = Bindings(
        parameters: UnsafePointer(parameters.base), gradients: riders.base, riders: riders.base,
        activations: activations.base)
      memory.inputs = inputs.baseAddress
      memory.results = results.base
      Executor<FloatKernels>.run(plan, memory)
    }
    return Array(results.buffer.prefix(plan.batch * objective.outputCount))
  }

  func values(_ name: String) throws -> UnsafeMutableBufferPointer<Float> {
    let entry = try #require(objective.layout.allEntries.first { $0.name == name }, "\(name)")
    return parameters.buffer(entry.range)
  }
}
