// Learning rates against Tests/Fixtures/schedules.json (scripts/fixtures/schedules.py).

import FixtureSupport
import Foundation
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
    for step in 0..<40 {
      let momentum = schedule.momentum(step: step)
      #expect((momentum == nil) == (test.momenta == nil))
      if let momentum, let expected = test.momenta?[step] { #expect(abs(momentum - expected) <= 1e-15) }
    }
  }

  @Test func everyKindOfScheduleIsThere() throws {
    #expect(Set(try Fixture.schedules().cases.map(\.schedule.kind)).count == 7)
  }

  @Test(arguments: try Fixture.schedules().plateaus)
  func aPlateauLowersTheLearningRateAsPyTorch(_ test: SchedulesFixture.Plateau) throws {
    var settings = Plateau.Settings()
    settings.factor = test.settings.factor
    settings.patience = test.settings.patience
    settings.threshold = test.settings.threshold
    settings.cooldown = test.settings.cooldown
    settings.minimum = test.settings.minimum
    var plateau = Plateau(settings, learningRate: test.base)
    #expect(Set(test.learningRates).count > 2)
    for (loss, expected) in zip(test.losses, test.learningRates) {
      let before = plateau.learningRate
      // What a checkpoint keeps is the whole state.
      plateau = try JSONDecoder().decode(Plateau.self, from: JSONEncoder().encode(plateau))
      #expect(plateau.observe(loss: loss) == (expected != before))
      #expect(abs(plateau.learningRate - expected) <= 1e-12 * test.base)
    }
  }

  @Test func lossesThatAreNoNumbersCountAsBad() {
    var settings = Plateau.Settings()
    settings.patience = 1
    var plateau = Plateau(settings, learningRate: 1)
    #expect(!plateau.observe(loss: .nan) && plateau.observe(loss: .infinity) && plateau.best == nil)
    #expect(!plateau.observe(loss: 3) && plateau.best == 3)
  }

  @Test func theLearningRateStaysAtTheMinimumAfterTheEnd() {
    let schedule = Schedule.cosine(warmup: 2, total: 10, minimum: 0.25)
    for step in [10, 11, 20, 1000] { #expect(schedule.learningRate(base: 1, step: step) == 0.25) }
    #expect(schedule.learningRate(base: 1, step: 0) == 0.5)
    #expect(schedule.learningRate(base: 1, step: 2) == 1)
  }
}
