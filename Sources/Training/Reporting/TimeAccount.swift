/// Where the time of a run goes: nanoseconds for each phase, gathered by switching between phases.
///
/// One phase is always the present one, so the phases add up to the time since `init` exactly. A switch
/// reads the clock once and allocates nothing. Phases nest by going back to what `enter` returned:
///
///     let before = time.enter(.communication)
///     defer { time.enter(before) }
public struct TimeAccount: Sendable {
  public enum Phase: Int, Sendable, CaseIterable {
    /// Forward and backward passes and updates.
    case compute
    /// Messages between ranks, waiting for other ranks included.
    case communication
    /// Waiting for samples.
    case data
    case validation
    /// Copying and saving the state.
    case checkpoint
    /// Everything else: starting, reporting.
    case other
  }

  /// The phase that time is counted for now.
  public private(set) var phase = Phase.other
  private var since: UInt64
  // One field a phase: an array would be a reference to follow at every switch.
  private var spent: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)

  /// Begins in `other`.
  public init() { since = MonotonicTime.nanoseconds }

  /// Counts for `phase` from now on, and returns the phase before.
  @discardableResult
  public mutating func enter(_ phase: Phase) -> Phase { enter(phase, at: MonotonicTime.nanoseconds) }

  @discardableResult
  package mutating func enter(_ next: Phase, at now: UInt64) -> Phase {
    let elapsed = now &- since
    switch phase {
    case .compute: spent.0 &+= elapsed
    case .communication: spent.1 &+= elapsed
    case .data: spent.2 &+= elapsed
    case .validation: spent.3 &+= elapsed
    case .checkpoint: spent.4 &+= elapsed
    case .other: spent.5 &+= elapsed
    }
    since = now
    let before = phase
    phase = next
    return before
  }

  /// Counts the time of `body` for `phase`. The account must not be touched inside; where it lies in the
  /// same value as what `body` works on, use `enter`.
  public mutating func measure<Result, Failure>(
    _ phase: Phase, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let before = enter(phase)
    defer { enter(before) }
    return try body()
  }

  /// Nanoseconds in `phase` up to the last switch.
  public func nanoseconds(_ phase: Phase) -> UInt64 {
    switch phase {
    case .compute: spent.0
    case .communication: spent.1
    case .data: spent.2
    case .validation: spent.3
    case .checkpoint: spent.4
    case .other: spent.5
    }
  }

  /// Seconds in each phase up to the last switch, in the order of `Phase.allCases`; what ranks can add.
  public var seconds: [Double] { Phase.allCases.map { Double(nanoseconds($0)) * 1e-9 } }

  /// Whole percentages of `seconds` that add up to 100 (or are all 0 when there is no time): rounded down,
  /// and the remaining points given to those that lost most.
  public static func percentages(of seconds: [Double]) -> [Int] {
    let total = seconds.reduce(0, +)
    guard total > 0, total.isFinite else { return seconds.map { _ in 0 } }
    let exact = seconds.map { 100 * $0 / total }
    var whole = exact.map { Int($0) }
    let order = exact.indices.sorted { exact[$0] - Double(whole[$0]) > exact[$1] - Double(whole[$1]) }
    for index in order.prefix(max(0, 100 - whole.reduce(0, +))) { whole[index] += 1 }
    return whole
  }
}
