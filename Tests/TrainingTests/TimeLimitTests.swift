import Testing
import Training

/// When a run with a time limit stops, and how times are written.
@Suite struct TimeLimitTests {
  /// Steps of a length until the limit says stop; the time when the checkpoint after the last is there.
  private func end(
    limit: Double, step: Double, save: Double, epoch: Int = 1000, validation: Double = 0, age: Double = 0
  ) -> Double {
    var now = 50.0
    var timer = TimeLimit(seconds: limit, age: age, now: now)
    var done = 0
    while true {
      let isLast = timer.isUp(
        endsEpoch: (done + 1) % epoch == 0, nextEndsEpoch: (done + 2) % epoch == 0, now: now)
      done += 1
      now += step
      if done % epoch == 0 { now += validation }
      if isLast || done % 10 == 0 {
        now += save
        timer.noteSave(seconds: save)
      }
      if isLast { return now - 50 }
    }
  }

  @Test func aRunIsSavedInTimeAndNotMuchEarlier() {
    let plain = end(limit: 100, step: 0.1, save: 0.2)
    #expect(plain < 95.1 && plain > 94, "\(plain)")
    let slow = end(limit: 100, step: 3, save: 8)
    #expect(slow < 95 && slow > 60, "\(slow)")
    let old = end(limit: 100, step: 0.1, save: 0.2, age: 30)
    #expect(old < 65.1 && old > 64, "\(old)")
  }

  @Test func validationAtTheEndOfAnEpochIsAllowedFor() {
    for limit in [100.0, 103, 107, 111, 116] {
      let time = end(limit: limit, step: 0.5, save: 1, epoch: 20, validation: 12)
      #expect(time < limit - 4 && time > limit - 40, "\(time) of \(limit)")
    }
  }

  /// The disk may be busier at the end than it ever was.
  @Test func aSaveMayTakeTwiceAsLongAsAnyBefore() {
    var timer = TimeLimit(seconds: 100, age: 0, now: 0)
    timer.noteSave(seconds: 10)
    let ups = [74.9, 75.1].map { timer.isUp(endsEpoch: false, nextEndsEpoch: false, now: $0) }
    #expect(ups == [false, true])
  }

  /// Only what comes at the end of an epoch is as long as that.
  @Test func stepsAreNotTakenForValidations() {
    var timer = TimeLimit(seconds: 100, age: 0, now: 0)
    let isUpAtOnce = timer.isUp(endsEpoch: true, nextEndsEpoch: false, now: 0)
    #expect(!isUpAtOnce)
    let ups = stride(from: 30.0, through: 92, by: 1).map {
      timer.isUp(endsEpoch: false, nextEndsEpoch: false, now: $0)
    }
    #expect(!ups.contains(true))
  }

  @Test func aShortLimitKeepsAQuarter() {
    let time = end(limit: 4, step: 0.01, save: 0.02)
    #expect(time < 3.1 && time > 2.8, "\(time)")
  }

  @Test(arguments: [
    ("90s", 90.0), ("45m", 2700), ("1h30m", 5400), ("2d", 172_800), ("1.5h", 5400), ("1d2h3m4s", 93_784),
    ("0", 0), ("0s", 0), ("0.5s", 0.5),
  ])
  func timesAreReadAsPeopleWriteThem(_ text: String, _ seconds: Double) throws {
    #expect(try DurationText.seconds(text, at: "--time-limit") == seconds)
  }

  @Test(arguments: [
    ("", "Write a number"), ("90", "90s, 90m or 90h"), ("5x", "x is none"), ("m", "a number before"),
    ("1m1h", "from the largest down"), ("1h1h", "each once"), ("-1s", "a number before"),
    ("1e3s", "e is none"), ("1..2s", "a number before"), ("99999d", "thirty years"),
    ("infs", "a number before"),
  ])
  func otherTimesAreRefusedWithWhatToWrite(_ text: String, _ remedy: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try DurationText.seconds(text, at: "--time-limit")
    }
    #expect(
      "\(error)".contains("--time-limit: expected a time such as") && "\(error)".contains(remedy), "\(error)")
  }

  @Test func whoIsWaitedForIsTold() {
    #expect(RankTimes.text(waits: [0.4]) == nil)
    #expect(RankTimes.text(waits: [0.1, 0.12, 0.08]) == "8 to 12 % on all ranks")
    #expect(
      RankTimes.text(waits: [0.4, 0.02, 0.35]) == "rank 1 2 %, the others 35 to 40 %: they wait for rank 1")
    // One that waits more than others holds up nobody.
    #expect(RankTimes.text(waits: [0.4, 0.02, 0.03]) == "2 to 40 % on all ranks")
  }
}
