import Autodiff
import Datasets
import Layers
import MessagePassing
import Optimizers
import Synchronization
import TensorCore
import Testing

import Training

@Suite struct BenchmarkTests {
  /// Averaging with a gradient that stays the same: Adam's every step is −learning rate · sign of the sum.
  @Test(arguments: [1, 2, 3])
  func `every way of averaging arrives at the same parameters`(ranks: Int) throws {
    let gradients = Mutex<[Int: [Float]]>([:])
    let arrived = Mutex<[(parameters: [Float], steps: Int)]>([])
    try InProcessWorld.run(ranks: ranks) { communicator in
      let benchmark = try AveragingBenchmark(parameters: 5000, over: communicator)
      let records = try benchmark.measure(seconds: 0.02)
      #expect(records.map(\.strategy) == AveragingBenchmark.strategies.map(\.name))
      for record in records {
        #expect(record.parameters == 5000 && record.ranks == ranks)
        #expect(record.ratio?.median ?? 0 > 0 && record.allreduceMilliseconds?.median ?? 0 > 0)
      }
      #expect(benchmark.differences().allSatisfy { $0 <= 1e-6 })
      gradients.withLock { $0[communicator.rank] = benchmark.gradient }
      arrived.withLock { $0.append(benchmark.reference) }
    }
    let all = gradients.withLock { Array($0.values) }
    try #require(all.count == ranks)
    for (parameters, steps) in arrived.withLock({ $0 }) {
      #expect(steps > 3)
      for index in 0..<5000 {
        let sum = all.reduce(0) { $0 + $1[index] }
        let expected = sum == 0 ? 0 : -1e-3 * Float(steps) * (sum < 0 ? -1 : 1)
        #expect(abs(parameters[index] - expected) < 1e-5 * Float(steps))
      }
    }
  }

  @Test func `instructions are told in a few words`() throws {
    for workload in Workload.all {
      let data = try workload.noise(count: 1)
      let objective = try Objective(
        workload.model, loss: .crossEntropy, inputShape: Shape(data.inputShape), target: data.target)
      let plan = try objective.trainingPlan(batch: 2)
      for (name, instruction) in zip(plan.names, plan.instructions) {
        #expect(!name.contains("(") && !name.contains("Autodiff."), "\(workload.name): \(name)")
        #expect(name.count < 100 && instruction.bytes > 0, "\(workload.name): \(name)")
      }
    }
  }

  @Test func `a product's bytes are those of its operands and its result`() throws {
    let model = MultilayerPerceptron(widths: [784, 128, 10])
    let plan = try Objective(model, loss: .crossEntropy, inputShape: [784], target: .classes(10))
      .trainingPlan(batch: 64)
    let first = try #require(plan.instructions.first)
    #expect(plan.names.first == "0: matrixProduct NT 64×128×784 + bias, relu")
    #expect(first.operation.kind == .matrixProducts)
    #expect(first.bytes == 4 * (64 * 784 + 784 * 128 + 128 + 64 * 128))
  }

  @Test func `a profile's parts follow from the order of the phases`() throws {
    let model = MultilayerPerceptron(widths: [4, 3])
    let plan = try Objective(model, loss: .crossEntropy, inputShape: [4], target: .classes(3))
      .trainingPlan(batch: 2)
    let profile = StepProfile(plan, shardsPerStep: 1, keptSteps: 1)
    // Two steps: samples are waited for, passes, messages, update, messages; then something else.
    let phases: [(TimeAccount.Phase, UInt64)] = [
      (.compute, 1), (.data, 2), (.compute, 30), (.communication, 400), (.compute, 5000),
      (.communication, 60_000), (.other, 700_000),
    ]
    var now: UInt64 = 1000
    for _ in 0..<2 {
      for (phase, length) in phases {
        profile.note(phase, at: now)
        now += length
      }
    }
    profile.note(.other, at: now)
    #expect(profile.steps == 2 && profile.spans.count == 1)
    #expect(profile.nanoseconds(.loader) == 4)
    #expect(profile.nanoseconds(.passes) == 62)
    #expect(profile.nanoseconds(.averaging) == 120_800)
    #expect(profile.nanoseconds(.update) == 10_000)
    #expect(profile.nanoseconds(.between) == 1_400_000)
    #expect(profile.spans.first?.map(\.part) == [.passes, .loader, .passes, .averaging, .update, .averaging])
    #expect(profile.spans.first?.last?.end == 1000 + 65_433)

    let table = ProfileTable(profile, updateBytes: 100)
    #expect(abs(table.groups.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    #expect(abs(table.millisecondsPerStep - 0.765433) < 1e-9)
    let update = try #require(table.groups.first { $0.name == "update" })
    #expect(
      abs(update.gigabytesPerSecond - 200.0 / 10_000) < 1e-12 && abs(update.milliseconds - 0.005) < 1e-12)
  }
}
