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
  @Test(arguments: Scenario.averaging + Scenario.splitting, [(4, 2), (5, 2), (5, 3)])
  func averagingAndSplittingHoldAmongMachines(
    _ scenario: Scenario, _ world: (ranks: Int, ranksPerMachine: Int)
  ) throws {
    try InProcessWorld.run(ranks: world.ranks, ranksPerMachine: world.ranksPerMachine, body: scenario.body)
  }

  /// Two parts, of three ranks and of two, on two machines, at the same time.
  @Test(arguments: allScenarios.filter { $0.ranks.contains(2) && $0.ranks.contains(3) })
  func scenarioHoldsInParts(_ scenario: Scenario) throws {
    try InProcessWorld.run(ranks: 5, ranksPerMachine: 3) { world in
      try scenario.body(try world.split(color: world.rank % 2))
    }
  }

  @Test(arguments: allScenarios.filter { $0.ranks.contains(1) })
  func scenarioHoldsInAWorldOfOne(_ scenario: Scenario) throws {
    try scenario.body(InProcessCommunicator())
  }

  @Test func scenariosHaveNamesOfTheirOwn() {
    #expect(Set(allScenarios.map(\.name)).count == allScenarios.count)
  }

  @Test(arguments: 1...4) func scenariosHoldOverMPI(_ ranks: Int) throws {
    try expectScenarios("all", hold: ranks, of: ranks)
  }

  @Test(arguments: 2...4) func scenariosHoldInPartsOverMPI(_ ranks: Int) throws {
    try expectScenarios("in-parts", hold: (ranks + 1) / 2, of: ranks)
  }

  private func expectScenarios(_ which: String, hold size: Int, of ranks: Int) throws {
    let result = try MPIRun.run(ranks: ranks, executable: "distributed-runner", arguments: [which])
    #expect(result.exitCode == 0, "\(result)")
    // What has passed is listed, so that a runner that does nothing is not taken for success.
    let expected = allScenarios.filter { $0.ranks.contains(size) }.map { "passed: \($0.name)" }
    #expect(result.standardOutput.split(separator: "\n").map(String.init) == expected)
  }
}
