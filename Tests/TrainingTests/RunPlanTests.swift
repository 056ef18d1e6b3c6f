import Averaging
import Datasets
import Foundation
import Layers
import MessagePassing
import Optimizers
import TensorCore
import Testing
import Training

/// What a run takes, said before it.
@Suite(.serialized) struct RunPlanTests {
  private func world() -> World { World(InProcessCommunicator()) }

  private func options(ranks: Int? = nil, perMachine: Int? = nil, network: String? = nil) throws
    -> RunPlan.Options
  {
    var options = RunPlan.Options()
    (options.ranks, options.ranksPerMachine, options.seconds) = (ranks, perMachine, 0.02)
    options.network = try network.map { text throws(TrainingError) in try NetworkFigures(text) }
    return options
  }

  private func plan(
    _ settings: [String], ranks: Int? = nil, perMachine: Int? = nil, network: String? = nil
  ) throws -> RunPlan {
    let small = ["data.samples=600", "data.testSamples=100", "batch=32"]
    let configuration = try RunConfiguration.load("digits", overrides: small + settings)
    return try .plan(
      configuration, name: "digits", options: options(ranks: ranks, perMachine: perMachine, network: network),
      in: world())
  }

  @Test func `the arenas of a small network are those that follow from its layers`() throws {
    let plan = try plan(["optimizer={name: adam}", "shards=4"])
    // 784·128 + 128 + 128·10 + 10, each parameter on a vector's boundary.
    #expect(plan.parameters == 101_770)
    let vector = Double(784 * 128 + 128 + 128 * 10 + 16)
    #expect(plan.memory.parameters == 4 * vector)
    // One rank adds four shards pairwise: three vectors at a time, each with its riders.
    #expect(plan.memory.gradients == 4 * 3 * (vector + 16))
    #expect(plan.memory.optimizerState == 4 * 2 * vector)
    #expect(plan.memory.program > 0 && plan.memory.total > plan.memory.program)
    #expect(plan.floatingPointOperations == 32 * 2 * (784 * 128 * 2 + 128 * 10 * 3))
    #expect(plan.isRehearsed && plan.timing.products > 0 && plan.timing.update > 0)
    #expect(plan.averaging.seconds == 0 && plan.averaging.bytesInside == 0)
  }

  @Test func `ranks share the optimizer's state, and receive the others' part of their slice`() throws {
    let (one, four) = (try plan(["optimizer={name: adam}"]), try plan(["optimizer={name: adam}"], ranks: 4))
    let state = four.memory.optimizerState / one.memory.optimizerState
    #expect((0.2...0.3).contains(state))
    #expect(four.batch == one.batch && four.shards == one.shards && four.ranks == 4)
    // By messages three others' slices and three quarters of the new parameters; in shared memory the slices are read.
    let vector = one.memory.parameters
    let byMessages = try plan(["optimizer={name: adam}", "averaging=ordered"], ranks: 4)
    #expect((1.45...1.6).contains(byMessages.averaging.bytesInside / vector))
    #expect((0.7...0.8).contains(four.averaging.bytesInside / vector))
    #expect(four.averaging.bytesBetween == 0 && four.machines == 1)
    #expect(four.speedup < 4.5 && four.efficiency > 0)
  }

  @Test func `a slow network limits, by its bandwidth or by its latency`() throws {
    let narrow = try plan([], ranks: 4, perMachine: 2, network: "1us,1Mbit")
    #expect(narrow.machines == 2 && narrow.ranksPerMachine == 2)
    #expect(narrow.averaging.bytesBetween > 0)
    #expect(narrow.limit.contains("through the network"), "\(narrow.limit)")
    let seconds = narrow.averaging.bytesBetween / 125_000
    #expect(abs(narrow.averaging.transfer - seconds) < 0.01 * seconds)
    let far = try plan([], ranks: 4, perMachine: 2, network: "1s,100Gbit")
    #expect(far.limit.contains("latency"), "\(far.limit)")
    #expect(far.averaging.latency >= 2 && far.efficiency < 0.01)
    // The same number of ranks on one machine never meets the network.
    let near = try plan([], ranks: 4, perMachine: 4, network: "1s,1Mbit")
    #expect(near.machines == 1 && near.averaging.messagesBetween == 0 && near.averaging.seconds < 0.1)
  }

  @Test func `what travels less between machines is counted`() throws {
    func bytes(_ settings: String...) throws -> Double {
      try plan(settings, ranks: 4, perMachine: 2, network: "1us,1Mbit").averaging.bytesBetween
    }
    let all = try bytes()
    #expect(try bytes("averaging.wire=bfloat16") == all / 2)
    #expect(try bytes("averaging={strategy: periodic, everySteps: 20}") == all / 20)
    #expect(try bytes("averaging={strategy: periodic, everySteps: 20, wire: bfloat16}") == all / 40)
    // What parameters are rounded from is kept besides.
    let (exact, rounded) = (try plan([], ranks: 4), try plan(["averaging.wire=bfloat16"], ranks: 4))
    let vector = exact.memory.parameters
    #expect(abs(rounded.memory.optimizerState - exact.memory.optimizerState - vector / 4) < 0.1 * vector)
  }

  /// Each has something in its step that the others have not.
  @Test(arguments: [
    [
      "model={name: layers, layers: [{type: flatten}, {type: dense, outputs: 16}, {type: dropout, rate: 0.3}, {type: dense}]}"
    ],
    ["optimizer={name: lamb, clipNorm: 1}", "ema={decay: 0.9}"], ["averaging={strategy: allreduce}"],
    ["optimizer={name: lars, learningRate: 0.1}"], ["data.augment=[{type: crop, padding: 2}]"],
    ["threads=2"], ["lastBatch=drop", "accumulate=2"], ["model={name: lenet}", "shards=5"],
    ["model={name: vgg-small, synchronizedBatchNorm: true}", "batch=6", "shards=3"],
  ])
  func `whatever a step does can be rehearsed`(settings: [String]) throws {
    for ranks in [1, 3] {
      let plan = try plan(settings, ranks: ranks)
      #expect(plan.isRehearsed && plan.stepSeconds > 0 && plan.stepSeconds < 60)
      #expect(plan.timing.products > 0 && !plan.limit.isEmpty)
    }
  }

  @Test func `the text and the object name the same figures`() throws {
    let plan = try plan([], ranks: 2)
    for word in ["101,770 parameters", "optimizer state", "samples/s", "efficiency", "limited by"] {
      #expect(plan.text.contains(word), "\(word)?\n\(plan.text)")
    }
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(plan.report))
    let values = try #require(object as? [String: Any])
    #expect(values["parameters"] as? Int == 101_770)
    let (step, memoryTotal) = (values["stepMilliseconds"] as? Double, values["memoryMiB"] as? Double)
    #expect(abs((step ?? 0) / (plan.stepSeconds * 1e3) - 1) < 1e-9)
    #expect(abs((memoryTotal ?? 0) / (plan.memory.total / 1_048_576) - 1) < 1e-9)
    let memory = try #require(values["memory"] as? [String: Any])
    // What it goes to, and what of that the ranks of a machine have together.
    #expect(memory.count == 10 && memory["shared"] != nil)
  }

  @Test func `ranks that plan together get one plan`() throws {
    try InProcessWorld.run(ranks: 2) { communicator in
      let configuration = try RunConfiguration.load(
        "digits", overrides: ["data.samples=600", "data.testSamples=100", "batch=32"])
      var options = RunPlan.Options()
      options.seconds = 0.02
      let plan = try RunPlan.plan(configuration, name: "digits", options: options, in: World(communicator))
      #expect(plan.ranks == 2)
      let all = try communicator.allgather(bytes: Array("\(plan.stepSeconds) \(plan.memory)".utf8))
      #expect(all[0] == all[1])
    }
  }

  @Test func `a model too large to be tried is estimated`() throws {
    let plan = try plan(["model={name: mlp, hidden: [40000, 40000]}"])
    #expect(!plan.isRehearsed && plan.text.contains("estimated"))
    #expect(plan.memory.parameters > 6e9 && plan.timing.products > 0 && plan.timing.update > 0)
  }

  @Test func `a loader's memory is known before it is there`() throws {
    let data = try BuiltInDigits.draw(split: .train, count: 300)
    let sampler = try Sampler(seed: 0, count: 300, batch: 64)
    let cut = Shards(4)
    func shards(_ batch: Int) -> [Range<Int>] { Array(cut.ranges(ofBatch: batch)[0..<2]) }
    let loader = try Loader(data, sampler: sampler, steps: 1, shards: shards)
    defer { loader.stop() }
    let bytes = Loader.byteCount(for: data, batchSizes: sampler.batchSizes, shards: shards)
    #expect(bytes == loader.byteCount + 300 * 8)
  }

  @Test(arguments: [
    ("30us,10Gbit", 30e-6, 1.25e9), ("1.5 ms, 100 Mbit/s", 1.5e-3, 12.5e6), ("200ns,12GB/s", 2e-7, 12e9),
    ("0s,1GiB", 0, 1_073_741_824), ("2µs,25gbit", 2e-6, 3.125e9),
  ])
  func `a network's figures have units`(text: String, latency: Double, bandwidth: Double) throws {
    let network = try NetworkFigures(text)
    #expect(abs(network.latencySeconds - latency) <= 1e-12 * max(latency, 1))
    #expect(abs(network.bytesPerSecond / bandwidth - 1) < 1e-12)
  }

  @Test(arguments: [
    "", "30us", "30,10", "30us,10", "us,Gbit", "-1us,10Gbit", "1us,0Gbit", "1us,1Gbit,2", "1us,1us",
  ])
  func `other figures are refused with an example`(text: String) {
    #expect {
      try NetworkFigures(text)
    } throws: {
      "\($0)".contains("--network 30us,10Gbit")
    }
  }
}
