import Testing
import Training

@Suite struct RestartPolicyTests {
  @Test func waitsDoubleUpToAMinuteAndTheAttemptsRunOut() {
    var policy = RestartPolicy(most: 8, firstWait: 1, newestStep: nil)
    for wait in [1.0, 2, 4, 8, 16, 32, 60, 60] {
      #expect(policy.failed(newestStep: nil) == .again(after: wait))
    }
    #expect(policy.failed(newestStep: nil) == .giveUp)
    #expect(policy.attempts == 8)
  }

  @Test func aNewerCheckpointBeginsTheCountAnew() {
    var policy = RestartPolicy(most: 2, firstWait: 1, newestStep: 10)
    #expect(policy.failed(newestStep: 10) == .again(after: 1), "it was there before")
    #expect(policy.failed(newestStep: 20) == .again(after: 1))
    #expect(policy.failed(newestStep: 15) == .again(after: 2), "an older one is none")
    #expect(policy.failed(newestStep: 20) == .giveUp)
  }

  @Test func noRestartsAreNone() {
    var policy = RestartPolicy(most: 0, firstWait: 1, newestStep: nil)
    #expect(policy.failed(newestStep: nil) == .giveUp)
    #expect(policy.failed(newestStep: 5) == .giveUp)
  }
}
