import DistributedScenarios
import Foundation
import Testing
import Training

/// What the settings of a run change, and what they must not.
@Suite(.serialized) struct TrainingOptionsTests {
  @Test func validationOnRankZeroGivesTheSameFigures() throws {
    let place = try Workplace()
    let run = smallRun + settings("validation.shard=70")
    for (name, on) in [("all", "all-ranks"), ("zero", "rank-0")] {
      let result = try place.lockstep(run + settings("validation.on=\(on)") + ["--out", name], ranks: 3)
      #expect(result.exitCode == 0, "\(result)")
    }
    #expect(try place.metrics("all") == place.metrics("zero"))
    #expect(try place.digest("all") == place.digest("zero"))
  }

  @Test func samplesAreHeldOutForValidation() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      smallRun + settings("validation.fraction=0.2", "metrics.everySteps=1000") + ["--out", "run"])
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardOutput.contains("2400 samples"), "\(result)")
    #expect(result.standardOutput.contains("(600 samples)"), "\(result)")
    let records = try place.metrics("run")
    // 2400 samples are 19 batches.
    #expect(records.map(\.step) == [19, 38, 38])
    #expect(records.map(\.split) == [.validation, .train, .validation])
  }

  /// A warm-up to a rate at which training falls apart.
  @Test func theBestModelIsKeptThoughTrainingGoesWrong() throws {
    let place = try Workplace()
    let run =
      ["train", "digits"]
      + settings(
        "data.samples=3000", "data.testSamples=500", "model.activation=tanh", "optimizer.momentum=0",
        "optimizer.learningRate=20", "schedule.warmupSteps=1600", "epochs=16", "checkpoint.keep=2")
    let result = try place.lockstep(run + settings("checkpoint.final=best") + ["--out", "best"])
    #expect(result.exitCode == 0, "\(result)")
    let tests = try place.metrics("best").filter { $0.split == .test }
    let top = try #require(tests.map { $0.accuracy ?? 0 }.max())
    let best = try #require(tests.first { $0.accuracy == top })
    try #require(best.step < 14 * 24, "training must go wrong for this test")
    #expect(place.checkpoints("best").contains(best.step))
    #expect(try place.digest("best") == place.digest("best/checkpoints/step-\(best.step)"))
    #expect(result.standardOutput.contains("best epoch  \(best.epoch) of 16"), "\(result)")
    let percent = String(format: "%.2f %%", 100 * top)
    #expect(result.standardOutput.contains("test        accuracy \(percent)"), "\(result)")
    #expect(try place.lockstep(["evaluate", "best"]).standardOutput.contains(percent))

    let digest = try place.digest("best")

    let last = try place.lockstep(run + ["--out", "last"])
    #expect(last.exitCode == 0)
    #expect(try place.digest("last") == place.digest("best/checkpoints/step-384"))

    // A resumed run still knows and keeps what was the best before.
    let longer = try place.lockstep(["train", "--resume", "--out", "best"] + settings("epochs=17"))
    #expect(longer.exitCode == 0, "\(longer)")
    #expect(longer.standardOutput.contains("best epoch  \(best.epoch) of 17"), "\(longer)")
    #expect(try place.digest("best") == digest)
  }

  @Test func aProlongedRunIsTheLongerRun() throws {
    let place = try Workplace()
    let steps = settings("metrics.everySteps=12")
    _ = try place.lockstep(smallRun + steps + settings("epochs=3") + ["--out", "longer"])
    _ = try place.lockstep(smallRun + steps + ["--out", "run"])
    let again = try place.lockstep(["train", "--resume", "--out", "run"] + settings("epochs=3"))
    #expect(again.exitCode == 0, "\(again)")
    #expect(try place.digests("run", step: 72) == place.digests("longer", step: 72))
    #expect(try place.metrics("run") == place.metrics("longer"))
  }

  @Test func theLengthMayBeStepsAndTheLastBatchLeftOut() throws {
    let place = try Workplace()
    let steps = settings("epochs=null", "steps=30", "metrics.everySteps=15")
    let kept = try place.lockstep(smallRun + steps + ["--out", "kept"])
    #expect(kept.exitCode == 0, "\(kept)")
    // 3000 samples are 23 batches of 128 and one of 56; the run ends within its second epoch.
    #expect(place.checkpoints("kept") == [24, 30])
    #expect(try place.metrics("kept").map(\.step) == [15, 24, 30, 30])
    let dropped = try place.lockstep(smallRun + steps + settings("lastBatch=drop") + ["--out", "dropped"])
    #expect(dropped.exitCode == 0, "\(dropped)")
    #expect(place.checkpoints("dropped") == [23, 30])
    #expect(try place.digest("dropped") != place.digest("kept"))
  }

  @Test func squaredErrorLearnsToo() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      smallRun + settings("loss=meanSquaredError", "epochs=4") + ["--out", "run"], ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    let tests = try place.metrics("run").filter { $0.split == .test }
    #expect((tests.last?.accuracy ?? 0) > 0.75, "\(tests)")
    #expect((tests.last?.loss ?? 1) < 0.09)
  }

  @Test(arguments: [1, 2]) func gradientsThatAreNoNumbersEndTheRunAndLeaveTheCheckpoints(ranks: Int) throws {
    let place = try Workplace()
    let run = smallRun + settings("optimizer.learningRate=1e30", "checkpoint.everySteps=1")
    let result = try place.lockstep(run + ["--out", "run"], ranks: ranks)
    #expect(result.exitCode == 1, "\(result)")
    #expect(result.messages.count == 1, "\(result)")
    let message = result.messages.first ?? ""
    #expect(message.contains("step 2: expected finite gradients"), "\(result)")
    #expect(message.contains("2.bias (rank \(ranks - 1), shard"), "\(result)")
    #expect(!result.standardOutput.contains("epoch 2"), "\(result)")
    #expect(place.checkpoints("run") == [1])
    #expect(try place.lockstep(["inspect", "run"]).standardOutput.contains("step-1  whole"))
    let log = try String(contentsOfFile: place.file("run/log.txt"), encoding: .utf8)
    #expect(log.contains("finite gradients"))
  }

  /// Real MNIST, where LOCKSTEP_DATA names a folder that holds mnist/.
  @Test(.enabled(if: dataFolder != nil)) func mnistIsLearnedFromEverySeed() throws {
    let place = try Workplace()
    let folder = try #require(dataFolder)
    var accuracies: [Double] = []
    for seed in 0..<5 {
      let run =
        ["train", "mnist", "--out", "\(seed)"] + settings("data.path=\(folder)/mnist", "seed=\(seed)")
      let result = try place.lockstep(run, ranks: 2)
      #expect(result.exitCode == 0, "\(result)")
      accuracies.append(try place.metrics("\(seed)").last?.accuracy ?? 0)
    }
    let mean = accuracies.reduce(0, +) / 5
    #expect(mean >= 0.9745, "\(accuracies)")
    #expect((accuracies.min() ?? 0) >= 0.971, "\(accuracies)")
  }
}

private let dataFolder = ProcessInfo.processInfo.environment["LOCKSTEP_DATA"]
