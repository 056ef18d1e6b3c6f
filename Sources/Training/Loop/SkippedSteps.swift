/// How many steps changed nothing, for their loss or gradients were infinite or not a number. The same on all ranks, and
/// part of what a checkpoint remembers.
public struct SkippedSteps: Sendable, Equatable, Codable {
  public private(set) var count = 0
  /// Those that followed each other at last.
  public private(set) var inARow = 0

  public init() {}

  mutating func note(isSkipped: Bool) {
    if isSkipped { count += 1 }
    inARow = isSkipped ? inARow + 1 : 0
  }
}
