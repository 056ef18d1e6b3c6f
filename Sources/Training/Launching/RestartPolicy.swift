import Foundation

/// When a run that failed is begun again, and when that is given up.
package struct RestartPolicy: Sendable {
  package enum Decision: Equatable, Sendable {
    /// After so many seconds.
    case again(after: Double)
    case giveUp
  }

  /// How often a run is begun again without a newer checkpoint.
  let most: Int
  /// Seconds before the first of these; each further one doubles them, up to a minute.
  let firstWait: Double
  /// Since the newest checkpoint.
  package private(set) var attempts = 0
  private var furthest: Int?

  package init(most: Int, firstWait: Double, newestStep: Int?) {
    self.most = most
    self.firstWait = firstWait
    furthest = newestStep
  }

  /// Whether a checkpoint is newer than any before.
  package func isProgress(_ newestStep: Int?) -> Bool { newestStep ?? -1 > furthest ?? -1 }

  /// Decides after a failure, of which the newest checkpoint is of `newestStep`.
  package mutating func failed(newestStep: Int?) -> Decision {
    if isProgress(newestStep) {
      furthest = newestStep
      attempts = 0
    }
    guard attempts < most else { return .giveUp }
    attempts += 1
    return .again(after: min(60, firstWait * pow(2, Double(min(attempts, 32) - 1))))
  }
}
