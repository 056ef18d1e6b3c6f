// Whole runs in a folder: what follows from validations, what is kept over a resumption, what batches add up to.

import Testing
import Training

@Suite(.serialized) struct OptimizerLoopTests {
  @Test func accumulatedBatchesAreALargerBatchInAsManyMoreShards() throws {
    let runs = Runs()
    try runs.train("large", "batch=64", "shards=8")
    try runs.train("accumulated", ranks: 3, "accumulate=2")
    #expect(try runs.model("large") == runs.model("accumulated"))
    try runs.train("plain")
    #expect(try runs.model("plain") != runs.model("large"))
    // Left to the trainer, shards grow with the batches, and not beyond the ranks for their sake.
    try runs.train("chosen", ranks: 3, "accumulate=2", "shards=null")
    let chosen = try RunConfiguration.load(runs.path + "/chosen/config.yaml")
    #expect(chosen.shards == 2 && chosen.accumulate == 2)
  }

  @Test func theLearningRateGrowsWithTheBatch() throws {
    let runs = Runs()
    try runs.train(
      "scaled", "optimizer.learningRate=0.02", "optimizer.scaleWithBatch.reference=8", "epochs=1")
    try runs.train("plain", "optimizer.learningRate=0.08", "epochs=1")
    #expect(try runs.model("scaled") == runs.model("plain"))
    let configuration = try RunConfiguration.load(
      "digits", overrides: ["batch=32", "accumulate=4", "optimizer.scaleWithBatch.reference=64"])
    #expect(configuration.makeOptimizer(stepsInRun: 1).learningRate == 0.2)
  }

  /// The learning rate falls after every validation but the first, and the run ends five after the first.
  @Test func whatValidationsLedToIsKeptOverAResumption() throws {
    let runs = Runs()
    let settings = [
      "schedule.name=plateau", "schedule.patience=0", "schedule.threshold=0.9", "schedule.factor=0.5",
      "ema.decay=0.8", "earlyStopping.patience=5", "earlyStopping.minimumImprovement=100",
    ]
    func train(_ name: String, ranks: Int, resume: Bool = false, _ more: String...) throws {
      _ = try runs.train(name, ranks: ranks, resume: resume, settings: settings + more)
    }
    try train("whole", ranks: 1, "epochs=20")
    // Once in the middle of an epoch, which adds a validation that must not count.
    try train("parts", ranks: 2, "epochs=2")
    try train("parts", ranks: 3, resume: true, "epochs=null", "steps=35")
    try train("parts", ranks: 1, resume: true, "epochs=20")
    #expect(try runs.validations("whole") == [10, 20, 30, 40, 50, 60])
    #expect(try runs.validations("parts") == [10, 20, 30, 35, 40, 50, 60])
    #expect(try runs.model("parts") == runs.model("whole"))
    for name in ["whole", "parts"] {
      let log = try runs.log(name)
      #expect(log.contains("stopped early after step 60 of 200: the loss has not improved on"), "\(log)")
      #expect(log.contains("learning rate lowered to 0.003125"), "\(log)")
    }
    let file = "/checkpoints/step-60/optimizer.safetensors"
    #expect(try runs.tensors("parts" + file) == runs.tensors("whole" + file))
    // A run that has stopped stays so, until it is given more patience.
    try train("parts", ranks: 1, resume: true, "epochs=20")
    #expect(try runs.validations("parts").last == 60)
  }

  @Test func theAverageIsJudgedAndBecomesTheModel() throws {
    let runs = Runs()
    try runs.train("average", ranks: 2, "ema.decay=0.9", "averaging.strategy=allreduce")
    try runs.train("last", "ema.decay=0.9", "ema.evaluate=false")
    try runs.train("none")
    let saved = "/checkpoints/step-60/"
    #expect(
      try runs.model("average") == runs.tensors("average\(saved)optimizer.safetensors", suffix: ".ema"))
    #expect(try runs.model("average") != runs.tensors("average\(saved)model.safetensors"))
    // Training itself does not see it.
    #expect(try runs.model("last") == runs.model("none"))
    #expect(try runs.model("last") == runs.tensors("last\(saved)model.safetensors"))
  }

  @Test func theBestModelComesBackAfterAnEarlyStop() throws {
    let runs = Runs()
    try runs.train(
      "run", ranks: 2, "checkpoint.final=best", "earlyStopping.patience=2", "earlyStopping.on=accuracy",
      "optimizer.learningRate=0.5", "epochs=200")
    let records = try MetricsRecord.read(at: runs.path + "/run/metrics.jsonl").filter { $0.split == .test }
    let best = try #require(records.compactMap(\.accuracy).max())
    let step = try #require(records.first { $0.accuracy == best }?.step)
    #expect(records.last?.step == step + 20)
    #expect(try runs.model("run") == runs.tensors("run/checkpoints/step-\(step)/model.safetensors"))
    #expect(try runs.log("run").contains("the accuracy has not improved on"))
  }

  @Test(arguments: [
    ("schedule.name=plateau", "data.testSamples=0", "validation.fraction=0.1"),
    ("earlyStopping.patience=3", "data.testSamples=0", "validation.fraction=0.1"),
    ("optimizer.groups=[{match: heads.*}]", "seed=0", "0.weight"),
  ])
  func whatCannotBeFollowedIsRefused(setting: String, other: String, says: String) throws {
    let runs = Runs()
    let refusal = #expect(throws: (any Error).self) { try runs.train("run", ranks: 2, setting, other) }
    #expect("\(try #require(refusal))".contains(says))
  }
}
