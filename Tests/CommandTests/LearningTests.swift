// What models learn: shortly on built-in data, always; at length on real data, with LOCKSTEP_LEARNING=1 and LOCKSTEP_DATA.

import Foundation
import Testing
import Training

private let environment = ProcessInfo.processInfo.environment
private let dataFolder = environment["LOCKSTEP_DATA"]
private let isLong = environment["LOCKSTEP_LEARNING"] == "1"

@Suite(.serialized) struct LearningTests {
  /// The last record of a split.
  private func last(_ split: MetricsRecord.Split, of run: String, in place: Workplace) throws -> MetricsRecord
  {
    try #require(try place.metrics(run).last { $0.split == split })
  }

  private func train(
    _ arguments: [String], ranks: Int? = nil, as run: String, in place: Workplace
  ) throws {
    let result = try place.lockstep(
      ["train"] + arguments + ["--out", run], ranks: ranks, timeout: isLong ? 3600 : 300)
    #expect(result.exitCode == 0, "\(result)")
  }

  @Test func aConvolutionalNetworkLearnsTheBuiltInDigits() throws {
    let place = try Workplace()
    try train(
      ["lenet"] + settings("data.samples=8000", "data.testSamples=1000", "epochs=2"), ranks: 2, as: "run",
      in: place)
    #expect(try #require(last(.test, of: "run", in: place).accuracy) > 0.93)
  }

  @Test func aResidualNetworkLearnsColouredShapes() throws {
    let place = try Workplace()
    try train(
      ["resnet20"]
        + settings("data.samples=3000", "data.testSamples=500", "data.augment=[]", "epochs=4"), ranks: 2,
      as: "run", in: place)
    // A linear model, and chance, reach 0.1.
    #expect(try #require(last(.test, of: "run", in: place).accuracy) > 0.3)
  }

  @Test(arguments: ["gpt", "lstm"]) func languageModelsLearnMoreThanFrequencies(_ preset: String) throws {
    let place = try Workplace()
    try train(
      [preset]
        + settings("data.characters=200000", "steps=250", "model.width=64", "schedule.warmupSteps=20"),
      ranks: 2, as: "run", in: place)
    // Frequencies of characters alone leave 3.18 nats, those of pairs 2.25.
    #expect(try last(.validation, of: "run", in: place).loss < 2.4)
    let text = try place.lockstep([
      "generate", "run", "--length", "80", "--temperature", "0.7", "--seed", "3",
    ])
    #expect(text.exitCode == 0 && text.standardOutput.count >= 60, "\(text)")
    #expect(
      try place.lockstep(["generate", "run", "--length", "80", "--temperature", "0.7", "--seed", "3"])
        .standardOutput == text.standardOutput)
  }

  @Test func anAutoencoderLearnsToGiveBackDigits() throws {
    let place = try Workplace()
    try train(
      ["autoencoder"] + settings("data.samples=4000", "data.testSamples=500", "epochs=3"), as: "run",
      in: place)
    let records = try place.metrics("run")
    let loss = try last(.test, of: "run", in: place).loss
    // The mean image leaves about 0.07.
    #expect(loss < 0.04 && records.allSatisfy { $0.accuracy == nil })
  }

  // MARK: - Long, on real data

  @Test(.enabled(if: isLong && dataFolder != nil), arguments: [1, 2])
  func lenetLearnsMNIST(_ ranks: Int) throws {
    let folder = try #require(dataFolder)
    let place = try Workplace()
    var accuracies: [Double] = []
    for seed in 0..<3 {
      try train(
        ["lenet"] + settings("data.name=idx", "data.path=\(folder)/mnist", "seed=\(seed)"), ranks: ranks,
        as: "\(seed)", in: place)
      accuracies.append(try #require(last(.test, of: "\(seed)", in: place).accuracy))
    }
    print("MNIST, lenet, \(ranks) ranks: \(accuracies)")
    #expect(accuracies.reduce(0, +) / 3 >= 0.987 && accuracies.allSatisfy { $0 >= 0.985 })
  }

  @Test(.enabled(if: isLong && dataFolder != nil), arguments: [("gpt", 1.90), ("lstm", 1.69)], [1, 2])
  func languageModelsLearnShakespeare(_ model: (preset: String, bound: Double), _ ranks: Int) throws {
    let folder = try #require(dataFolder)
    let place = try Workplace()
    try train(
      [model.preset]
        + settings("data.name=text", "data.path=\(folder)/shakespeare/input.txt"),
      ranks: ranks, as: "run", in: place)
    let loss = try last(.validation, of: "run", in: place).loss
    print("Shakespeare, \(model.preset), \(ranks) ranks: \(loss) nats")
    #expect(loss <= model.bound)
  }
}
