import DistributedScenarios
import Foundation
import Testing
import Training

/// What the commands do and print when all is well.
@Suite(.serialized) struct CommandTests {
  @Test func runsWithoutAFolderAreNumbered() throws {
    let place = try Workplace()
    for number in 1...2 {
      let result = try place.lockstep(smallRun)
      #expect(result.exitCode == 0, "\(result)")
      #expect(result.standardOutput.contains("results in runs/digits-\(number)\n"), "\(result)")
      let names = Set(place.contents("runs/digits-\(number)").keys)
      #expect(
        names.isSuperset(of: ["config.yaml", "metrics.jsonl", "log.txt", "model.safetensors"]), "\(names)")
    }
    #expect(try place.digest("runs/digits-1") == place.digest("runs/digits-2"))
    // Not a terminal: nothing is drawn in place; under mpirun, whose ranks have terminals, neither.
    let shared = try place.lockstep(smallRun + ["--out", "shared"], ranks: 2)
    #expect(!shared.standardOutput.contains("\u{1B}"), "\(shared)")
    #expect(shared.standardOutput.components(separatedBy: "epoch 1/2").count == 2, "one rank speaks")
  }

  @Test func aPrintedPresetIsAConfigurationOfTheSameRun() throws {
    let place = try Workplace()
    let printed = try place.lockstep(["train", "--print-config", "digits"])
    #expect(printed.exitCode == 0)
    try place.write(Array(printed.standardOutput.utf8), to: "own.yaml")
    _ = try place.lockstep(smallRun + ["--out", "preset"])
    let own = try place.lockstep(["train", "own.yaml"] + smallRun.dropFirst(2))
    #expect(own.standardOutput.contains("results in runs/own-1"), "\(own)")
    #expect(try place.digest("runs/own-1") == place.digest("preset"))
    let mnist = try place.lockstep(["train", "--print-config", "mnist"])
    #expect(mnist.standardOutput.contains("name: idx") && mnist.exitCode == 0)
  }

  @Test func helpAndVersionEndWell() throws {
    let place = try Workplace()
    for arguments in [["--help"], ["train", "--help"], ["help", "predict"]] {
      let result = try place.lockstep(arguments)
      #expect(result.exitCode == 0 && result.standardOutput.contains("USAGE"), "\(result)")
    }
    let version = try place.lockstep(["--version"])
    #expect(version.exitCode == 0 && version.standardOutput == "\(LockstepVersion.current)\n", "\(version)")
  }

  @Test func metricsHaveTheirKeysAndTheSummaryItsFigures() throws {
    let place = try Workplace()
    let result = try place.lockstep(smallRun + settings("metrics.everySteps=20") + ["--out", "run"])
    let file = try String(contentsOfFile: place.file("run/metrics.jsonl"), encoding: .utf8)
    let all = file.split(separator: "\n").compactMap {
      try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    let lines = all.filter { $0["event"] == nil }
    let expected: [(Int, Int, String)] = [
      (20, 1, "train"), (24, 1, "test"), (40, 2, "train"), (48, 2, "train"), (48, 2, "test"),
    ]
    #expect(lines.count == expected.count)
    for (line, (step, epoch, split)) in zip(lines, expected) {
      #expect(line["step"] as? Int == step)
      #expect(line["epoch"] as? Int == epoch)
      #expect(line["split"] as? String == split)
      let rate = split == "train" ? ["samplesPerSecond"] : []
      #expect(Set(line.keys) == Set(["step", "epoch", "split", "loss", "accuracy", "seconds"] + rate))
    }
    let saves = all.filter { $0["event"] as? String == "checkpoint" }
    #expect(saves.map { $0["step"] as? Int } == [24, 48])
    for save in saves {
      #expect(
        Set(save.keys) == [
          "step", "epoch", "event", "bytes", "foregroundSeconds", "backgroundSeconds", "processorSeconds",
          "seconds",
        ])
      #expect(try #require(save["bytes"] as? Int) > 8 * 101_770)
      for key in ["foregroundSeconds", "backgroundSeconds", "processorSeconds"] {
        #expect(try #require(save[key] as? Double) > 0, "\(key)")
      }
    }
    let text = result.standardOutput
    for word in [
      "saving   2, each 79",
      "compute", "validation", "samples/s on 1 rank", "run/metrics.jsonl", "lockstep evaluate run",
    ] {
      #expect(text.contains(word), "\(word)?\n\(result)")
    }
    #expect(text.contains(try place.digest("run").trimmingCharacters(in: .newlines)))

    // evaluate gives the same figures from the files alone, on any ranks.
    let accuracy = try #require(lines.last?["accuracy"] as? Double)
    let percent = "accuracy  \(String(format: "%.2f", 100 * accuracy)) %\n"
    #expect(text.contains("accuracy \(String(format: "%.2f", 100 * accuracy)) %"))
    let evaluated = try place.lockstep(["evaluate", "run"])
    #expect(evaluated.exitCode == 0 && evaluated.standardOutput.contains(percent), "\(evaluated)")
    let shared = try place.lockstep(["evaluate", "run"], ranks: 3)
    #expect(shared.standardOutput.replacing("\r\n", with: "\n") == evaluated.standardOutput, "\(shared)")
  }

  @Test func predictAgreesWithTheLabelsOfAFile() throws {
    let place = try Workplace()
    let run = ["train", "digits", "--out", "run"] + settings("data.samples=10000", "epochs=3")
    #expect(try place.lockstep(run).exitCode == 0)
    let digits = try DrawnDigits(.test, count: 400, seed: 7)
    try place.write(digits.imageFile, to: "images")
    let result = try place.lockstep(["predict", "run", "images"])
    #expect(result.exitCode == 0)
    let rows = result.standardOutput.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(rows.count == 400)
    var correct = 0
    for (number, row) in rows.enumerated() {
      try #require(row.count == 3 && row[0] == "\(number)")
      correct += row[1] == "\(digits.labels[number])" ? 1 : 0
      let probability = try #require(Double(row[2]))
      #expect(probability > 0.1 && probability <= 1)
    }
    #expect(correct > 360)
    let few = try place.lockstep(["predict", "run", "images", "--limit", "7"])
    let firstLines = result.standardOutput.split(separator: "\n").prefix(7)
    #expect(few.standardOutput.split(separator: "\n") == Array(firstLines))
  }

  @Test func inspectListsTensorsAndCheckpoints() throws {
    let place = try Workplace()
    _ = try place.lockstep(
      smallRun + settings("checkpoint.everySteps=10", "checkpoint.keepEvery=15") + ["--out", "run"])
    let text = try place.lockstep(["inspect", "run"]).standardOutput
    #expect(place.checkpoints("run") == [20, 30, 40, 48])
    let state = try String(
      contentsOfFile: place.file("run/checkpoints/step-48/state.json"), encoding: .utf8)
    // Two validations, the first in the middle of what is kept.
    let best = state.contains("\"epoch\" : 2") ? ", best" : ""
    #expect(text.contains("step-20  whole, ") && text.contains(", kept for good\n"), "\(text)")
    #expect(text.contains(", newest\(best), kept for good\n"), "\(text)")
    for line in [
      "  0.weight  F32  [128, 784]\n", "  0.bias    F32  [128]\n", "  2.weight  F32  [10, 128]\n",
      "101770 values in 4 tensors", "saved after step 48", "step-40  whole", "step-48  whole",
    ] {
      #expect(text.contains(line), "\(line)?\n\(text)")
    }
    let digest = try place.digest("run")
    #expect(digest.wholeMatch(of: /[0-9a-f]{32}\n/) != nil, "\(digest)")
    #expect(try place.digest("run/checkpoints/step-48") == digest)
    #expect(try place.digest("run/checkpoints/step-40") != digest)
    // A run that has no final model yet is its newest checkpoint.
    try FileManager.default.removeItem(atPath: place.file("run/model.safetensors"))
    #expect(try place.digest("run") == digest)
    try place.damage("run/checkpoints/step-48/model.safetensors")
    #expect(try place.digest("run") == place.digest("run/checkpoints/step-40"))
    #expect(try place.lockstep(["inspect", "run"]).standardOutput.contains("step-48  damaged"))
    // Not one is whole: each is listed all the same.
    for step in [20, 30, 40] { try place.damage("run/checkpoints/step-\(step)/optimizer.safetensors") }
    let lost = try place.lockstep(["inspect", "run"])
    #expect(lost.exitCode == 2 && lost.standardOutput.contains("step-20  damaged"), "\(lost)")
  }

  @Test func doctorFindsThisMachineFit() throws {
    let result = try Workplace().lockstep(["doctor"])
    #expect(result.exitCode == 0 && result.standardOutput.contains("Open MPI"), "\(result)")
  }
}
