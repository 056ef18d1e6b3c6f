import Testing

import Training

/// When a run saves.
@Suite struct CheckpointIntervalTests {
  private func interval(_ change: (inout CheckpointConfiguration) -> Void) -> CheckpointInterval {
    var configuration = CheckpointConfiguration()
    change(&configuration)
    return CheckpointInterval(configuration, stepsPerEpoch: 10, now: 100)
  }

  @Test func stepsAndEpochsAreCountedAlikeOnAllRanks() {
    let epochs = interval { $0.everyEpochs = 2 }
    #expect((1...60).filter { epochs.isDue(afterStep: $0) } == [20, 40, 60])
    let both = interval { ($0.everyEpochs, $0.everySteps) = (2, 15) }
    #expect((1...60).filter { both.isDue(afterStep: $0) } == [15, 20, 30, 40, 45, 60])
    #expect(!both.isDue(at: 1e9))
  }

  @Test func minutesCountFromTheLastSave() {
    var minutes = interval { $0.everyMinutes = 0.5 }
    #expect(!minutes.isDue(at: 129.9) && minutes.isDue(at: 130))
    minutes.saved(at: 125)
    #expect(!minutes.isDue(at: 154.9) && minutes.isDue(at: 155))
    #expect(minutes.isDue(afterStep: 10))
  }

  @Test func theAutomaticIntervalKeepsToWhatSavingMayCost() {
    var automatic = interval { ($0.every, $0.costPercent) = (.auto, 2) }
    #expect(!(1...100).contains { automatic.isDue(afterStep: $0) })
    // Before anything is measured, and where saving is cheap.
    #expect(!automatic.isDue(at: 109.9) && automatic.isDue(at: 110))
    var cost = CheckpointCost()
    (cost.foregroundSeconds, cost.processorSeconds, cost.backgroundSeconds) = (0.004, 0.05, 7)
    automatic.note(cost)
    #expect(automatic.automaticSeconds == 10)
    // 0.5 s in all are 2 % of 25 s, whatever the disk took.
    (cost.foregroundSeconds, cost.processorSeconds) = (0.1, 0.4)
    automatic.note(cost)
    automatic.saved(at: 200)
    #expect(abs(automatic.automaticSeconds - 25) < 1e-9)
    #expect(!automatic.isDue(at: 224.9) && automatic.isDue(at: 225.1))
  }
}
