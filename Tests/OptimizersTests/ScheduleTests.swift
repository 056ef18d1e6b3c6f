// Learning rates against Tests/Fixtures/schedules.json (scripts/fixtures/schedules.py).

import FixtureSupport
import Testing

import Optimizers

@Suite struct ScheduleTests {
  @Test(arguments: try Fixture.schedules().cases)
  func learningRatesAreThoseOfTheFormulaAndOfPyTorch(_ test: SchedulesFixture.Case) throws {
    let schedule = try Schedule(test.schedule)
    #expect(test.learningRates.count == 40)
    for (step, expected) in test.learningRates.enumerated() {
      #expect(abs(schedule.learningRate(base: test.base, step: step) - expected) <= 1e-15 * test.base)
    }
    for (step, expected) in test.torch.enumerated() {
      #expect(abs(schedule.learningRate(base: test.base, step: step) - expected) <= 1e-12 * test.base)
    }
  }

  @Test func everyKindOfScheduleIsThere() throws {
    #expect(Set(try Fixture.schedules().cases.map(\.schedule.kind)) == [.constant, .step, .warmupCosine])
  }

  @Test func theLearningRateStaysAtTheMinimumAfterTheEnd() {
    let schedule = Schedule.cosine(warmup: 2, total: 10, minimum: 0.25)
    for step in [10, 11, 20, 1000] { #expect(schedule.learningRate(base: 1, step: step) == 0.25) }
    #expect(schedule.learningRate(base: 1, step: 0) == 0.5)
    #expect(schedule.learningRate(base: 1, step: 2) == 1)
  }
}
