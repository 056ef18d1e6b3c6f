import Autodiff
import Averaging
import Datasets
import Foundation
import Layers
import MessagePassing
import Optimizers
import Synchronization
import TensorCore
import Testing
import Training

/// What every rank has at the end of a training.
private struct Outcome: Equatable, Sendable {
  var parameters: [UInt32]
  var evaluation: Evaluation
}

/// Trains on several ranks and returns what each ended with.
private func outcomes(
  ranks: Int, body: @escaping @Sendable (InProcessCommunicator) throws -> Outcome
) throws -> [Outcome] {
  let collected = Mutex<[Int: Outcome]>([:])
  try InProcessWorld.run(ranks: ranks) { communicator in
    let outcome = try body(communicator)
    collected.withLock { $0[communicator.rank] = outcome }
  }
  let all = collected.withLock { $0 }
  return (0..<ranks).compactMap { all[$0] }
}

private func bits(_ trainer: Trainer) -> [UInt32] {
  trainer.objective.layout.entries.flatMap { trainer.parameters.buffer($0.range).map(\.bitPattern) }
}

/// A model that a program writes itself.
private struct Classifier: Layer {
  let hidden = Dense("hidden", 784, 32, activation: .tanh)
  let output = Dense("output", 32, 10)

  func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try output(hidden(graph.flatten(x), in: &graph), in: &graph)
  }
}

/// An optimizer that treats every parameter differently, and keeps the average.
private func grouped(_ rule: UpdateRule, learningRate: Double) -> Optimizer {
  var optimizer = Optimizer(rule, learningRate: learningRate, clipNorm: 1)
  optimizer.groups = [
    ParameterGroup("output.*", learningRateFactor: 2), ParameterGroup("hidden.bias", learningRateFactor: 0),
  ]
  (optimizer.l1, optimizer.decaysNormsAndBiases, optimizer.averageDecay) = (1e-4, false, 0.5)
  return optimizer
}

@Suite(.serialized) struct LoopTests {
  @Test(arguments: [
    Optimizer.sgd(learningRate: 0.1, momentum: 0.9), .adam(learningRate: 0.01, clipNorm: 0.5),
    Optimizer(.lars(trustCoefficient: 0.02), learningRate: 1), grouped(.lamb(), learningRate: 0.01),
    grouped(.sgd(momentum: 0.9), learningRate: 0.05),
  ])
  func `parameters and evaluation have the same bits on one to five ranks`(optimizer: Optimizer) throws {
    // The last batch has 5 samples, fewer than shards.
    let data = try BuiltInDigits.draw(split: .train, count: 645)
    let test = try BuiltInDigits.draw(split: .test, count: 103)
    var reference: Outcome?
    for ranks in 1...5 {
      let all = try outcomes(ranks: ranks) { communicator in
        let trainer = try Trainer(
          Classifier(), loss: .crossEntropy, optimizer: optimizer, data: data, batch: 128, shards: 8,
          evaluationShard: 10, over: communicator)
        try trainer.fit(epochs: 2)
        let last = bits(trainer)
        return try trainer.withAveragedParameters {
          #expect((bits(trainer) != last) == (optimizer.averageDecay != nil))
          return Outcome(
            parameters: last + bits(trainer), evaluation: try trainer.evaluate(test, confusion: true))
        }
      }
      #expect(all.count == ranks)
      let expected = reference ?? all[0]
      reference = expected
      for (rank, outcome) in all.enumerated() { #expect(outcome == expected, "rank \(rank) of \(ranks)") }
    }
    let evaluation = try #require(reference?.evaluation)
    #expect(evaluation.samples == 103)
    #expect(evaluation.confusion?.counts.reduce(0, +) == 103)
    #expect((evaluation.accuracy ?? 0) > 0.3)
  }

  @Test func `a model's own names become the parameters' names`() throws {
    let data = try BuiltInDigits.draw(split: .train, count: 100)
    let trainer = try Trainer(
      Classifier(), loss: .crossEntropy, optimizer: .sgd(learningRate: 0.1), data: data, batch: 50,
      over: InProcessCommunicator())
    #expect(
      Set(trainer.objective.parameters.map(\.name)) == [
        "hidden.weight", "hidden.bias", "output.weight", "output.bias",
      ])
  }

  @Test func `a linear function is learned from numbers`() throws {
    // y0 = 2 a - b + 0.5, y1 = a + 3 b - 1
    var stream = RandomStream(seed: 3, purpose: .test)
    let inputs = (0..<2 * 512).map { _ in stream.normal() }
    let values = (0..<512).flatMap { sample -> [Float] in
      let (a, b) = (inputs[2 * sample], inputs[2 * sample + 1])
      return [2 * a - b + 0.5, a + 3 * b - 1]
    }
    let data = try TensorDataset(inputs: inputs, inputShape: [2], values: values, valuesPerSample: 2)
    let all = try outcomes(ranks: 3) { communicator in
      let trainer = try Trainer(
        Dense("linear", 2, 2), loss: .meanSquaredError, optimizer: .sgd(learningRate: 0.1, momentum: 0.9),
        data: data, batch: 32, shards: 4, over: communicator)
      try trainer.fit(epochs: 20)
      #expect(trainer.step == 320 && trainer.epoch == 20)
      let predicted = try trainer.evaluator.predict(data, samples: [0, 5])
      for (row, sample) in zip(predicted, [0, 5]) {
        for (value, wanted) in zip(row, values[2 * sample..<2 * sample + 2]) {
          #expect(abs(value - wanted) < 1e-3)
        }
      }
      return Outcome(parameters: bits(trainer), evaluation: try trainer.evaluate(data))
    }
    #expect(all[0].evaluation.loss < 1e-6)
    #expect(all[0].evaluation.accuracy == nil)
    #expect(all.allSatisfy { $0 == all[0] })
  }

  @Test func `rank 0 alone evaluates to the same figures`() throws {
    let data = try BuiltInDigits.draw(split: .train, count: 203)
    let results = try [false, true].map { onlyRankZero in
      try outcomes(ranks: 3) { communicator in
        let trainer = try Trainer(
          Classifier(), loss: .crossEntropy, optimizer: .sgd(learningRate: 0.1), data: data, batch: 50,
          evaluationShard: 20, evaluatesOnRankZero: onlyRankZero, over: communicator)
        return Outcome(parameters: [], evaluation: try trainer.evaluate(data, confusion: true))
      }
    }
    #expect(results[0] == results[1])
    #expect(results[1].allSatisfy { $0 == results[1][0] })
  }

  @Test func `built-in digits are hard for a linear model and easy for two layers`() throws {
    let data = try BuiltInDigits.draw(split: .train, count: 20_000, seed: 0)
    let test = try BuiltInDigits.draw(split: .test, count: 5_000, seed: 0)
    func accuracy(_ widths: [Int]) throws -> Double {
      let trainer = try Trainer(
        MultilayerPerceptron(widths: widths), loss: .crossEntropy,
        optimizer: .sgd(learningRate: 0.1, momentum: 0.9), data: data, batch: 128, shards: 8,
        over: InProcessCommunicator())
      try trainer.fit(epochs: 5)
      return try trainer.evaluate(test).accuracy ?? 0
    }
    let linear = try accuracy([784, 10])
    #expect(linear > 0.8 && linear < 0.93, "\(linear)")
    let deep = try accuracy([784, 128, 10])
    #expect(deep > 0.97, "\(deep)")
  }

  @Test func `parameters are saved by one trainer and loaded by another, on every rank`() throws {
    let data = try BuiltInDigits.draw(split: .train, count: 256)
    let file = FileManager.default.temporaryDirectory.appending(path: "model-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    @Sendable func trainer(seed: UInt64, _ communicator: any Communicator, model: any Layer = Classifier())
      throws
      -> Trainer
    {
      try Trainer(
        model, loss: .crossEntropy, optimizer: .adam(learningRate: 0.01), data: data, batch: 64, seed: seed,
        over: communicator)
    }
    let saved = try trainer(seed: 1, InProcessCommunicator())
    try saved.fit(epochs: 1)
    try saved.save(to: file)
    let digest = saved.digest
    try InProcessWorld.run(ranks: 3) { communicator in
      let other = try trainer(seed: 2, communicator)
      guard other.digest != digest else { throw Unexpected(text: "seeds 1 and 2 begin alike") }
      try other.load(from: file)
      guard other.digest == digest else {
        throw Unexpected(text: "rank \(communicator.rank) has other parameters")
      }
    }

    let wider = try trainer(
      seed: 1, InProcessCommunicator(), model: MultilayerPerceptron(widths: [784, 16, 10]))
    let before = wider.digest
    let refusal = #expect(throws: AgreedFailure.self) { try wider.load(from: file) }
    #expect("\(try #require(refusal))".contains("a checkpoint of another model"))
    #expect(wider.digest == before)
  }
}

private struct Unexpected: Error { let text: String }
