import Failpoints
import Testing

/// What `LOCKSTEP_FAILPOINTS` means.
@Suite struct FailpointPlanTests {
  @Test func entriesNamePlaceActionAndConditions() throws {
    let entries = try FailpointPlan.entries(
      of: "step:crash:step=20,rank=1; checkpoint.fsync:error:after=3,times=2;gradients:nan:restart=0")
    var first = FailpointPlan.Entry(place: .step, action: .crash)
    (first.step, first.rank) = (20, 1)
    var second = FailpointPlan.Entry(place: .checkpointSync, action: .error)
    (second.after, second.times) = (3, 2)
    var third = FailpointPlan.Entry(place: .gradients, action: .nan)
    third.restart = 0
    #expect(entries == [first, second, third])
  }

  @Test(arguments: [
    "step", "stop:crash", "step:burn", "step:crash:step", "step:crash:stop=3", "step:crash:step=-1",
  ])
  func whatCannotBeReadIsRefused(_ text: String) {
    #expect(throws: FailpointPlan.Mistake.self) { try FailpointPlan.entries(of: text) }
  }

  @Test func actionsHappenWhereAndWhenAsked() throws {
    let plan = FailpointPlan(
      try FailpointPlan.entries(of: "step:error:step=2,rank=1;gradients:nan"), restart: 0)
    #expect(plan.action(at: .step, rank: 1, step: 1) == nil)
    #expect(plan.action(at: .step, rank: 0, step: 2) == nil)
    #expect(plan.action(at: .averaging, rank: 1, step: 2) == nil)
    #expect(plan.action(at: .step, rank: 1, step: 2) == .error)
    #expect(plan.action(at: .step, rank: 1, step: 2) == nil)
    #expect(plan.action(at: .gradients, rank: 3, step: 9) == .nan)
  }

  @Test func someComingsPassFirstAndItHappensAsOftenAsAsked() throws {
    let plan = FailpointPlan(
      try FailpointPlan.entries(of: "checkpoint.write:error:after=2,times=3"), restart: 0)
    let actions = (0..<7).map { _ in plan.action(at: .checkpointWrite, rank: 0, step: 5) }
    #expect(actions == [nil, nil, .error, .error, .error, nil, nil])
  }

  @Test func aRestartCanBeSingledOut() throws {
    let entries = try FailpointPlan.entries(of: "step:crash:restart=1")
    #expect(FailpointPlan(entries, restart: 0).action(at: .step, rank: 0, step: 1) == nil)
    #expect(FailpointPlan(entries, restart: 1).action(at: .step, rank: 0, step: 1) == .crash)
  }
}
