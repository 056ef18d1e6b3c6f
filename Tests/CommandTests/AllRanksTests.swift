// The promise at its full width: five models of different kinds, real sizes, thirty steps, every number of ranks, both
// ways for gradients to travel. Shortly always; all of it with LOCKSTEP_ALL_RANKS=1.

import DistributedScenarios
import Foundation
import Testing

private let isComplete = ProcessInfo.processInfo.environment["LOCKSTEP_ALL_RANKS"] == "1"

@Suite(.serialized) struct AllRanksTests {
  struct Model: CustomStringConvertible, Sendable {
    let description: String
    let settings: [String]
  }

  private static let text = settings("data.name=built-in-text", "data.characters=30000", "data.context=64")
  private static let digits = settings("data.name=digits", "data.samples=400", "data.testSamples=40")

  static let models = [
    Model(
      description: "mlp",
      settings: digits + settings("model.name=mlp", "model.hidden=[1024, 1024]", "optimizer.name=adam")),
    Model(
      description: "lenet with dropout and augmentation",
      settings: digits
        + settings(
          "optimizer.name=adam",
          "data.augment=[{type: affine, rotation: 10, translation: 0.1}, {type: cutout, size: 6}]",
          "model.name=layers",
          "model.layers=[{type: convolution, channels: 32}, {type: relu}, {type: maxPooling}, "
            + "{type: convolution, channels: 64}, {type: relu}, {type: maxPooling}, {type: flatten}, {type: dropout}, "
            + "{type: dense, outputs: 128}, {type: relu}, {type: dropout}, {type: dense}]")),
    Model(
      description: "resnet20",
      settings: settings(
        "data.name=shapes", "data.samples=400", "data.testSamples=40", "model.name=resnet20",
        "data.augment=[{type: horizontalFlip}, {type: crop, padding: 4}]", "lastBatch=drop",
        "optimizer.name=sgd", "optimizer.momentum=0.9")),
    Model(
      description: "lstm",
      settings: text
        + settings("model.name=char-lstm", "model.width=256", "optimizer.name=adam", "optimizer.clipNorm=1")),
    Model(
      description: "gpt-tiny",
      settings: text
        + settings(
          "model.name=gpt", "model.width=128", "model.depth=4", "model.heads=4", "optimizer.name=adamW",
          "optimizer.clipNorm=1")),
  ]

  /// Thirty steps of 26 samples: neither 8 nor 12 shards divide them.
  private static let common = settings(
    "batch=26", "steps=30", "metrics.everySteps=3", "validation.shard=20", "optimizer.learningRate=0.002")

  @Test(arguments: models, [8, 12])
  func bitsDependNeitherOnTheRanksNorOnTheWay(_ model: Model, shards: Int) throws {
    let place = try Workplace()
    try place.write([], to: "empty.yaml")
    let run = ["train", "empty.yaml"] + model.settings + Self.common + settings("shards=\(shards)")
    func train(_ name: String, _ more: [String], ranks: Int?) throws {
      let result = try place.lockstep(run + ["--out", name] + more, ranks: ranks, timeout: 300)
      #expect(result.exitCode == 0, "\(result)")
    }

    try train("alone", [], ranks: nil)
    let digests = try place.digests("alone", step: 30)
    let metrics = try place.metrics("alone")
    #expect(metrics.count >= 11)
    let cases: [(strategy: String, ranks: [Int])] =
      isComplete
      ? [("shared", [1, 2, 3, 4, 5, 8]), ("ordered", [1, 2, 3, 4, 5, 8])]
      : shards == 8 ? [("shared", [2, 3, 8]), ("ordered", [5])] : [("shared", [5])]
    for (strategy, rankCounts) in cases {
      for ranks in rankCounts {
        let name = "\(strategy)-\(ranks)"
        try train(name, settings("averaging=\(strategy)"), ranks: ranks)
        #expect(try place.digests(name, step: 30) == digests, "\(name)")
        #expect(try place.metrics(name) == metrics, "\(name)")
      }
    }

    // Interrupted on eight ranks, and gone on with three.
    guard isComplete || shards == 8 else { return }
    let job = try place.start(run + ["--out", "interrupted"], ranks: 8)
    try waitUntil("metrics", timeout: 120) { ((try? place.metrics("interrupted").count) ?? 0) >= 2 }
    // To one rank; the others hear of it with the gradients.
    kill(try #require(job.process(ofRank: 5)), SIGUSR1)
    let result = try job.wait(timeout: 120)
    #expect(result.exitCode == 75, "\(result)")
    #expect((place.checkpoints("interrupted").last ?? 30) < 30)
    let resumed = try place.lockstep(["train", "--resume", "--out", "interrupted"], ranks: 3, timeout: 300)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(try place.digests("interrupted", step: 30) == digests, "interrupted")
    #expect(try place.metrics("interrupted") == metrics, "interrupted")
  }
}
