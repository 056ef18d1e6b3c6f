import Autodiff

/// Where the time of one rank's steps goes while it is watched: the plan's instructions, and what lies between.
///
/// It is told of the trainer's phases as they begin. Its parts cover the time from the first step's beginning to
/// the last one's end without gaps, so they add up.
package final class StepProfile {
  package enum Part: Int, CaseIterable, Sendable {
    case loader
    /// Forward and backward passes, with what is added up of this rank's shards.
    case passes
    /// Messages between ranks, and waiting for them.
    case averaging
    case update
    /// From one step's end to the next one's beginning.
    case between
  }

  /// A part of one step.
  package struct Span: Sendable {
    package let part: Part
    package let begin: UInt64
    package let end: UInt64
  }

  package let plan: PlanProfile
  /// Nanoseconds of each part, in all steps together.
  package private(set) var nanoseconds = Array(repeating: UInt64(0), count: Part.allCases.count)
  /// Steps that were watched.
  package private(set) var steps = 0
  /// The parts of the first steps, as many as were to be kept.
  package private(set) var spans: [[Span]] = []

  private let keptSteps: Int
  private var current: [Span] = []
  private var part: Part?
  private var since: UInt64 = 0
  private var hasSummed = false

  /// - Parameter keptSteps: for a trace.
  package init(_ plan: Plan, shardsPerStep: Int, keptSteps: Int = 0) {
    self.plan = PlanProfile(plan, keptRuns: keptSteps * shardsPerStep)
    self.keptSteps = keptSteps
    current.reserveCapacity(8 + 4 * shardsPerStep)
    spans.reserveCapacity(keptSteps)
  }

  package func nanoseconds(_ part: Part) -> UInt64 { nanoseconds[part.rawValue] }

  /// A phase begins. What is computed behind the first messages of a step is its update.
  package func note(_ phase: TimeAccount.Phase, at now: UInt64) {
    if let part {
      nanoseconds[part.rawValue] += now &- since
      if part != .between, spans.count < keptSteps {
        current.append(Span(part: part, begin: since, end: now))
      }
    }
    since = now
    switch phase {
    case .compute: part = hasSummed ? .update : .passes
    case .communication:
      part = .averaging
      hasSummed = true
    case .data: part = .loader
    case .validation, .checkpoint, .other: endStep()
    }
  }

  private func endStep() {
    guard let ended = part, ended != .between else { return }
    part = .between
    hasSummed = false
    steps += 1
    if spans.count < keptSteps {
      spans.append(current)
      current.removeAll(keepingCapacity: true)
    }
  }
}
