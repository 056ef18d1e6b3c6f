/// Decides when a run must stop to be saved and out in time.
///
/// Before every step it adds up what would still come if the run went on: that step and the one after it, at the end of an
/// epoch with its validation, and the checkpoint, twice as long as the longest so far; and keeps some seconds beyond.
package struct TimeLimit {
  package let seconds: Double
  private let began: Double
  private var asked: Double?
  private var endedEpoch = false
  private var longestStep = 0.0
  private var longestEpochEnd = 0.0
  private var longestSave = 0.0

  /// - Parameters:
  ///   - seconds: from the start of the process.
  ///   - age: how long the process has been there.
  ///   - now: by a clock that never goes back.
  package init(seconds: Double, age: Double, now: Double) {
    self.seconds = seconds
    began = now - age
  }

  /// Seconds of a limit that are kept whatever was measured.
  static func floor(of seconds: Double) -> Double { min(5, seconds / 4) }

  /// Whether the step that is about to begin is to be the last.
  ///
  /// - Parameters:
  ///   - endsEpoch: whether an epoch ends with that step.
  ///   - nextEndsEpoch: whether one ends with the step after it, which could not be called off any more.
  package mutating func isUp(endsEpoch: Bool, nextEndsEpoch: Bool, now: Double) -> Bool {
    if let asked {
      if endedEpoch {
        longestEpochEnd = max(longestEpochEnd, now - asked)
      } else {
        longestStep = max(longestStep, now - asked)
      }
    }
    (asked, endedEpoch) = (now, endsEpoch)
    func length(_ endsEpoch: Bool) -> Double { endsEpoch ? max(longestEpochEnd, longestStep) : longestStep }
    return now + length(endsEpoch) + length(nextEndsEpoch) + 2 * longestSave + Self.floor(of: seconds)
      >= began + seconds
  }

  /// A checkpoint took so long.
  package mutating func noteSave(seconds: Double) { longestSave = max(longestSave, seconds) }
}
