import DistributedScenarios
import MessagePassing
import Testing

/// The scenarios about averaging, over MPI at more ranks than where all scenarios run.
@Suite struct AveragingScenarioTests {
  @Test func averagingScenariosHoldOverMPIAtFiveRanks() throws {
    let names = Scenario.averaging.map(\.name)
    let result = try MPIRun.run(ranks: 5, executable: "distributed-runner", arguments: names, timeout: 120)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardOutput.split(separator: "\n").map(String.init) == names.map { "passed: \($0)" })
  }
}
