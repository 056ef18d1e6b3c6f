import DistributedScenarios
import MessagePassing
import Testing

/// Every scenario, in both worlds.
@Suite struct ScenarioTests {
  struct Case: Sendable, CustomStringConvertible {
    let scenario: Scenario
    let ranks: Int
    var description: String { "\(scenario) (\(ranks))" }

    static let all = allScenarios.flatMap { scenario in
      (1...5).filter { scenario.ranks.contains($0) }.map { Case(scenario: scenario, ranks: $0) }
    }
  }

  @Test(arguments: Case.all) func scenarioHoldsAmongThreads(_ test: Case) throws {
    try InProcessWorld.run(ranks: test.ranks, body: test.scenario.body)
  }

  /// Several ranks on each of several machines: equal numbers, and not.
  @Test(arguments: Scenario.averaging, [(4, 2), (5, 2), (5, 3)])
  func averagingHoldsAmongMachines(_ scenario: Scenario, _ world: (ranks: Int, ranksPerMachine: Int)) throws {
    try InProcessWorld.run(ranks: world.ranks, ranksPerMachine: world.ranksPerMachine, body: scenario.body)
  }

  @Test(arguments: allScenarios.filter { $0.ranks.contains(1) })
  func scenarioHoldsInAWorldOfOne(_ scenario: Scenario) throws {
    try scenario.body(InProcessCommunicator())
  }

  @Test func scenariosHaveNamesOfTheirOwn() {
    #expect(Set(allScenarios.map(\.name)).count == allScenarios.count)
  }

  @Test(arguments: 1...4) func scenariosHoldOverMPI(_ ranks: Int) throws {
    let result = try MPIRun.run(ranks: ranks, executable: "distributed-runner", arguments: ["all"])
    #expect(result.exitCode == 0, "\(result)")
    // What has passed is listed, so that a runner that does nothing is not taken for success.
    let expected = allScenarios.filter { $0.ranks.contains(ranks) }.map { "passed: \($0.name)" }
    #expect(result.standardOutput.split(separator: "\n").map(String.init) == expected)
  }
}
