/// When a run saves: what the configuration's `checkpoint` section says of it.
package struct CheckpointInterval {
  private let configuration: CheckpointConfiguration
  private let stepsPerEpoch: Int
  /// When the last save was begun, or the run.
  private var last: Double
  /// With `auto`: between two saves.
  package private(set) var automaticSeconds = leastSeconds

  /// Less than this is not worth saving: nobody minds to lose it.
  private static let leastSeconds = 10.0

  /// - Parameter now: seconds of a clock that only goes on, here and below.
  package init(_ configuration: CheckpointConfiguration, stepsPerEpoch: Int, now: Double) {
    (self.configuration, self.stepsPerEpoch, last) = (configuration, stepsPerEpoch, now)
  }

  /// Whether a save is due after a step, counted from 1: the same on all ranks.
  ///
  /// - Parameter last: the step before at which there could have been one; nil: the one before.
  package func isDue(afterStep step: Int, last: Int? = nil) -> Bool {
    guard configuration.every == .given else { return false }
    if let steps = configuration.everySteps, step / steps > (last ?? step - 1) / steps { return true }
    return step % stepsPerEpoch == 0 && (step / stepsPerEpoch) % configuration.everyEpochs == 0
  }

  /// Whether a save is due by the clock: what rank 0 asks, to tell the others.
  package func isDue(at now: Double) -> Bool {
    switch configuration.every {
    case .auto: now - last >= automaticSeconds
    case .given: configuration.everyMinutes.map { now - last >= 60 * $0 } ?? false
    }
  }

  /// A save begins.
  package mutating func saved(at now: Double) { last = now }

  /// What a save cost. The writer's time counts in full: it may have kept a rank from its processor.
  package mutating func note(_ cost: CheckpointCost) {
    let seconds = cost.foregroundSeconds + cost.processorSeconds
    automaticSeconds = max(Self.leastSeconds, seconds * 100 / configuration.costPercent)
  }
}
