import DistributedScenarios
import Foundation
import Testing
import Training

/// `lockstep plan`, and how near it comes to what then happens.
@Suite(.serialized) struct PlanCommandTests {
  private func object(_ result: ProgramResult) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(result.standardOutput.utf8))
    return try #require(object as? [String: Any], "\(result)")
  }

  @Test func memoryIsNearWhatABenchmarkNeeds() throws {
    let place = try Workplace()
    // Under mpirun: a process keeps the peak of the one that it was started from, and this one's is high.
    for ranks in [1, 2] {
      let plan = try object(place.lockstep(["plan", "workload:mlp", "--json"], ranks: ranks))
      let bench = try place.lockstep(["bench", "mlp", "--seconds", "0.3", "--json"], ranks: ranks)
      let measured = try object(bench)
      let memory = try #require(plan["memoryMiB"] as? Double)
      let peak = try #require(measured["peakMemoryMiB"] as? Double)
      #expect((0.85...1.15).contains(memory / peak), "\(memory) MiB planned, \(peak) taken")
      // Time is judged by measurements on a quiet machine; here only that it is no other quantity.
      let step = try #require(plan["stepMilliseconds"] as? Double)
      let times = try #require(measured["stepMilliseconds"] as? [String: Double])
      #expect((0.1...10).contains(step / (times["median"] ?? 0)), "\(step) ms planned, \(times) taken")
      #expect(plan["ranks"] as? Int == ranks)
    }
  }

  @Test func aPresetIsPlannedForRanksThatAreNotThere() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      ["plan", "digits", "--ranks", "8", "--network", "30us,10Gbit", "--per-machine", "2"]
        + settings("data.samples=2000"))
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardOutput.contains("8 ranks of 1 thread on 4 machines, 2 on each"), "\(result)")
    #expect(result.standardOutput.contains("limited by"), "\(result)")
    #expect(place.contents().isEmpty, "a plan leaves nothing behind")
  }

  @Test func whatTheRanksOfAMachineHaveTogetherCountsOnce() throws {
    let place = try Workplace()
    let plan = try object(
      place.lockstep(["plan", "digits", "--ranks", "4", "--json"] + settings("data.samples=20000")))
    let memory = try #require(plan["memory"] as? [String: Double])
    let (data, parameters) = (memory["data"] ?? 0, memory["parameters"] ?? 0)
    #expect(data > 20_000 * 784 && parameters > 0)
    let (all, machine) = (plan["memoryMiB"] as? Double ?? 0, plan["machineMemoryMiB"] as? Double ?? 0)
    #expect(abs(machine - (4 * all - 3 * (data + parameters) / 1_048_576)) < 1e-6 * machine, "\(plan)")
  }

  @Test func wrongPlansEndWithExitCodeTwo() throws {
    let place = try Workplace()
    let wrong: [([String], String)] = [
      (["digits", "--network", "fast"], "For example: --network 30us,10Gbit"),
      (["digits", "--ranks", "0"], "--ranks must be at least 1"),
      (["digits", "--ranks", "1000"] + settings("data.samples=2000"), "at least one sample a rank"),
      (["workload:resnet21"], "Did you mean workload:resnet20?"),
      (["workload:mlp", "--set", "batch=3"], "a workload has none"),
      (["nothing.yaml"], "neither a file nor a preset"),
    ]
    for (arguments, message) in wrong {
      let result = try place.lockstep(["plan"] + arguments)
      #expect(result.exitCode == 2 && result.standardError.contains(message), "\(result)")
    }
  }
}
