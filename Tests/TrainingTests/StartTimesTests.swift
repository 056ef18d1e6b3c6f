import Testing
import Training

@Suite struct StartTimesTests {
  @Test func `a start is told once its first step is done`() {
    var start = StartTimes(joining: 0.05)
    start.data = 0.06
    #expect(start.text == nil)
    start.firstStep = 0.18
    #expect(start.text == "first step after 0.18 s (0.05 s to start, 0.06 s for the data)")
    var summary = RunSummary(
      results: [], epochs: 1, steps: 1, samplesPerSecond: 1, totalSeconds: 1, phases: [], ranks: 1,
      threads: 1)
    #expect(!summary.text.contains("first step"))
    summary.start = start
    #expect(summary.text.contains("start  first step after 0.18 s"))
  }
}
