/// What the time before a run's first step went to, on this rank.
public struct StartTimes: Sendable, Equatable {
  /// Seconds from the start of the program until it had joined the others.
  public var joining: Double
  /// Seconds for reading or drawing the data.
  public var data = 0.0
  /// Seconds from the start of the program to the end of the first step; nil before that.
  public var firstStep: Double?

  /// - Parameter joining: seconds since the start of the program.
  public init(joining: Double) { self.joining = joining }

  /// `first step after 0.18 s (0.06 s to start, 0.08 s for the data)`
  public var text: String? {
    firstStep.map {
      "first step after \(NumberText.duration($0)) (\(NumberText.duration(joining)) to start, "
        + "\(NumberText.duration(data)) for the data)"
    }
  }
}
