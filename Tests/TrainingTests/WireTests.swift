// Whole runs whose numbers are rounded on their way, and that train by local steps.

import Checkpoints
import Foundation
import Testing
import Training

@Suite(.serialized) struct WireTests {
  @Test func roundedRunsHaveTheSameBitsOnAnyRanksAndMachines() throws {
    let runs = Runs()
    let settings = ["averaging.wire=bfloat16", "optimizer={name: adam, clipNorm: 0.5}", "ema.decay=0.9"]
    func train(_ name: String, ranks: Int, perMachine: Int? = nil, resume: Bool = false, _ more: String...)
      throws
    {
      _ = try runs.train(
        name, ranks: ranks, ranksPerMachine: perMachine, resume: resume, settings: settings + more)
    }
    try train("alone", ranks: 1)
    let model = try runs.model("alone")
    let saved = "/checkpoints/step-60/"
    let optimizer = try runs.tensors("alone\(saved)optimizer.safetensors")
    for (ranks, perMachine) in [(2, 1), (3, 3), (4, 2), (4, 1), (3, 2)] {
      let name = "\(ranks) by \(perMachine)"
      try train(name, ranks: ranks, perMachine: perMachine)
      #expect(try runs.model(name) == model, "\(name)")
      #expect(try runs.tensors("\(name)\(saved)optimizer.safetensors") == optimizer, "\(name)")
    }
    try train("messages", ranks: 3, "averaging.strategy=ordered")
    #expect(try runs.model("messages") == model)
    // Resumed on other ranks, from what is not rounded.
    try train("parts", ranks: 2, perMachine: 1, "epochs=2")
    try train("parts", ranks: 3, resume: true)
    #expect(try runs.model("parts") == model)
    #expect(try runs.tensors("parts\(saved)optimizer.safetensors") == optimizer)
    // The parameters are rounded, their origin is not.
    let parameters = try runs.tensors("alone\(saved)model.safetensors")
    #expect(parameters.values.allSatisfy { $0.allSatisfy { $0 & 0xFFFF == 0 } })
    let masters = try runs.tensors("alone\(saved)optimizer.safetensors", suffix: ".master")
    #expect(Set(masters.keys) == Set(parameters.keys))
    #expect(masters.values.contains { $0.contains { $0 & 0xFFFF != 0 } })
    _ = try runs.train("exact", ranks: 1, resume: false, settings: Array(settings.dropFirst()))
    #expect(try runs.model("exact") != model)
  }

  @Test func aRunIsNotResumedWithAnotherFormat() throws {
    let runs = Runs()
    try runs.train("run", "epochs=1")
    let refusal = #expect(throws: (any Error).self) {
      try runs.train("run", resume: true, "averaging.wire=bfloat16")
    }
    #expect("\(try #require(refusal))".contains("wire: bfloat16"), "\(String(describing: refusal))")
  }

  @Test func whatMPIWouldAddIsNotRounded() throws {
    let refusal = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(
        "digits", overrides: ["averaging.strategy=allreduce", "averaging.wire=bfloat16"])
    }
    #expect("\(try #require(refusal))".contains("averaging.strategy=auto"))
  }
}

@Suite(.serialized) struct PeriodicTests {
  private static let periodic =
    ["averaging={strategy: periodic, workers: ranks, everySteps: 7}", "optimizer={name: adam}"]

  @Test func aResumedRunOfTheSameWorkersIsTheUndisturbedOne() throws {
    let runs = Runs()
    for (workers, perMachine) in [("ranks", nil), ("machines", 2)] as [(String, Int?)] {
      let settings = [
        "averaging={strategy: periodic, workers: \(workers), everySteps: 7}", "optimizer={name: adam}",
      ]
      func train(_ name: String, resume: Bool = false, _ more: String...) throws {
        _ = try runs.train(
          workers + name, ranks: 4, ranksPerMachine: perMachine, resume: resume, settings: settings + more)
      }
      try train("whole")
      // Saved at the first averaging after every third step: the seventh of an epoch, and its end.
      try train("parts", "epochs=3", "checkpoint.everySteps=3", "checkpoint.keep=100")
      let steps = try FileManager.default.contentsOfDirectory(
        atPath: runs.path + "/\(workers)parts/checkpoints")
      #expect(
        Set(steps.filter { $0.hasPrefix("step-") }) == [
          "step-7", "step-10", "step-14", "step-20", "step-21", "step-28", "step-30",
        ])
      try train("parts", resume: true)
      #expect(try runs.model("\(workers)parts") == runs.model("\(workers)whole"))
      let file = "/checkpoints/step-60/optimizer.safetensors"
      let state = try runs.tensors("\(workers)whole" + file)
      #expect(try runs.tensors("\(workers)parts" + file) == state)
      // Each worker has a state of its own, and there is one of the outer optimizer.
      #expect(
        state["0.weight.exp_avg.worker-1"] != nil && state["0.weight.outer.momentum_buffer"] != nil,
        "\(state.keys)")
      #expect(state["0.weight.exp_avg.worker-1"] != state["0.weight.exp_avg"])
      #expect(try runs.validations("\(workers)parts") == runs.validations("\(workers)whole"))
      let log = try runs.log("\(workers)whole")
      #expect(
        log.contains("averaging periodic: \(workers == "ranks" ? 4 : 2) workers train by themselves"),
        "\(log)")
    }
    // A worker's own steps: other machines, other weights.
    #expect(try runs.model("rankswhole") != runs.model("machineswhole"))
  }

  /// The last step ends in an averaging, whether the period says so or not: the first one, and a later one.
  @Test(arguments: [(5, 7), (12, 13)]) func theLastStepIsAveragedWhereverItFalls(_ last: Int, _ later: Int)
    throws
  {
    let runs = Runs()
    for period in [last, later] {
      _ = try runs.train(
        "\(period)", ranks: 2, resume: false,
        settings: [
          "averaging={strategy: periodic, workers: ranks, everySteps: \(period)}", "epochs=null",
          "steps=\(last)",
        ])
    }
    #expect(try runs.model("\(last)") == runs.model("\(later)"))
  }

  @Test func ranksOfAWorkerDoNotChangeItsBits() throws {
    let runs = Runs()
    let settings = ["averaging={strategy: periodic, everySteps: 7}"]
    _ = try runs.train("one", ranks: 2, ranksPerMachine: 1, resume: false, settings: settings)
    _ = try runs.train("two", ranks: 4, ranksPerMachine: 2, resume: false, settings: settings)
    #expect(try runs.model("one") == runs.model("two"))
    _ = try runs.train(
      "parts", ranks: 2, ranksPerMachine: 1, resume: false, settings: settings + ["epochs=2"])
    _ = try runs.train("parts", ranks: 4, ranksPerMachine: 2, resume: true, settings: settings)
    #expect(try runs.model("parts") == runs.model("one"))
  }

  @Test func otherWorkersAreRefused() throws {
    let runs = Runs()
    _ = try runs.train("run", ranks: 2, resume: false, settings: Self.periodic + ["epochs=1"])
    let refusal = #expect(throws: (any Error).self) {
      _ = try runs.train("run", ranks: 4, resume: true, settings: Self.periodic)
    }
    let text = "\(try #require(refusal))"
    #expect(text.contains("2 of 2, 2 shards") && text.contains("4 of 1, 1, 1, 1 shards"), "\(text)")
  }

  @Test func validationFollowsTheAveragedWeightsAndMayStopTheRun() throws {
    let runs = Runs()
    let settings = Self.periodic + ["earlyStopping={patience: 2, minimumImprovement: 100}", "epochs=20"]
    _ = try runs.train("all", ranks: 3, resume: false, settings: settings)
    _ = try runs.train("first", ranks: 3, resume: false, settings: settings + ["validation.on=rank-0"])
    #expect(try runs.validations("all") == [10, 20, 30])
    let records = try ["all", "first"].map { name in
      try MetricsRecord.read(at: runs.path + "/\(name)/metrics.jsonl").filter { $0.split != .train }.map(
        \.loss)
    }
    #expect(records[0] == records[1])
    #expect(try runs.log("all").contains("stopped early after step 30"))
  }

  @Test(arguments: ["ema.decay=0.9", "nonFinite=skip"])
  func whatWorkersWouldNotDoAlikeIsRefused(_ setting: String) throws {
    let runs = Runs()
    let refusal = #expect(throws: (any Error).self) {
      _ = try runs.train("run", ranks: 2, resume: false, settings: Self.periodic + [setting])
    }
    #expect("\(try #require(refusal))".contains("periodic"))
  }

  @Test func itsSettingsBelongToItAlone() throws {
    let refusal = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load("digits", overrides: ["averaging={strategy: auto, everySteps: 5}"])
    }
    #expect("\(try #require(refusal))".contains("averaging.strategy periodic"))
    let plain = try RunConfiguration.load("digits")
    #expect(!plain.trainingIdentity.contains("averaging"))
    let periodic = try RunConfiguration.load("digits", overrides: Self.periodic)
    for setting in [
      "strategy: periodic", "everySteps: 7", "learningRate: 0.7", "momentum: 0.9", "workers: ranks",
    ] {
      #expect(periodic.trainingIdentity.contains("  \(setting)\n"), "\(setting)")
    }
  }
}
