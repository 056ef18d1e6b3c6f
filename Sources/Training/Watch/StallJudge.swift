import MessagePassing

/// Tells from the places of all ranks, looked at again and again, whether a training stands still, and who is to blame.
///
/// A rank that waits for others says so by looking around; one that works moves on. Whoever does neither for the length of
/// the patience is to blame, and first among those whoever's process does not even run. Pure: whoever uses it brings
/// the places and the time.
package struct StallJudge {
  /// Why a rank is blamed.
  package enum Kind: Sendable, Equatable {
    /// Its process does not run: stopped, or in the system's hands.
    case stopped
    /// It runs and makes no progress.
    case stuck
    /// Nothing has come from its machine.
    case unreachable
    /// It waits, as all others do: for a message that never comes.
    case waiting
  }

  package struct Verdict: Sendable, Equatable {
    package let ranks: [Int]
    package let kind: Kind
    /// Since the first of them moved last.
    package let seconds: Double
    /// All ranks that wait for others.
    package let waiting: Set<Int>

    package init(ranks: [Int], kind: Kind, seconds: Double, waiting: Set<Int>) {
      (self.ranks, self.kind, self.seconds, self.waiting) = (ranks, kind, seconds, waiting)
    }
  }

  /// What is known of one rank, with the times in seconds when it was last seen to change.
  private struct Record {
    var place = Place()
    /// Anything but waiting.
    var moved: Double
    /// Anything that its main thread does.
    var signed: Double
    var pulsed: Double
  }

  /// Later than those of its own machine, a machine blames another: it knows less.
  private static let distance = 2.0

  private let patience: Double
  private let here: Range<Int>
  /// Phases in which bytes that are read or written are progress.
  private let transferring: Set<Int>
  private var records: [Record]
  private var lastLook: Double
  private var polls = 0
  private var polled: Double
  /// Seconds between two looks, at most, unless this process was stopped itself.
  private let interval: Double
  private let comesAndGoes: Bool

  /// - Parameters:
  ///   - patience: seconds without progress.
  ///   - here: the ranks that are seen themselves; of others it is seen what they have sent.
  ///   - interval: seconds between two looks.
  ///   - comesAndGoes: whether ranks that are absent come back: somebody else watches what they do, but those that are
  ///     seen themselves must run, and the others may have to wait for them.
  package init(
    ranks: Int, here: Range<Int>, patience: Double, interval: Double, transferring: Set<Int>,
    comesAndGoes: Bool = false, now: Double
  ) {
    self.comesAndGoes = comesAndGoes
    self.patience = patience
    self.here = here
    self.interval = interval
    self.transferring = transferring
    records = Array(repeating: Record(moved: now, signed: now, pulsed: now), count: ranks)
    (lastLook, polled) = (now, now)
  }

  /// - Parameters:
  ///   - places: of all ranks.
  ///   - polls: how often this machine has looked for what others send.
  ///   - now: seconds of a clock that never goes back.
  package mutating func look(at places: [Place], polls: Int, now: Double) -> Verdict? {
    let passed = now - lastLook
    lastLook = now
    // Whoever was stopped itself has seen nothing meanwhile.
    if passed > 4 * interval + 1 { forgive(records.indices, passed) }
    if polls != self.polls { (self.polls, polled) = (polls, now) }
    // While nobody here reads what comes, nothing is known of others.
    if now - polled > 2 * Self.distance { forgive(records.indices.filter { !here.contains($0) }, passed) }
    for rank in records.indices { note(places[rank], ofRank: rank, now: now) }
    return verdict(now)
  }

  private mutating func forgive(_ ranks: some Sequence<Int>, _ seconds: Double) {
    for rank in ranks {
      records[rank].moved += seconds
      records[rank].signed += seconds
      records[rank].pulsed += seconds
    }
  }

  private mutating func note(_ place: Place, ofRank rank: Int, now: Double) {
    let before = records[rank].place
    records[rank].place = place
    if place.pulse != before.pulse { records[rank].pulsed = now }
    let transfers = transferring.contains(place.phase) && place.transferred != before.transferred
    if !place.isPresent {
      let seen = comesAndGoes && here.contains(rank) ? records[rank].pulsed : now
      (records[rank].moved, records[rank].signed) = (seen, seen)
    } else if place.moves != before.moves || place.instruction != before.instruction || transfers {
      (records[rank].moved, records[rank].signed) = (now, now)
    } else if place.looks != before.looks {
      records[rank].signed = now
    }
  }

  private func verdict(_ now: Double) -> Verdict? {
    let present = records.indices.filter {
      records[$0].place.isPresent || comesAndGoes && here.contains($0)
    }
    func blame(_ ranks: [Int], _ kind: Kind) -> Verdict {
      Verdict(
        ranks: ranks, kind: kind, seconds: now - (ranks.map { records[$0].moved }.min() ?? now),
        waiting: Set(present.filter { records[$0].signed > records[$0].moved }))
    }
    let silent = present.filter { now - records[$0].signed > limit(of: $0) }
    let isStill = { [records] (rank: Int) in now - records[rank].pulsed > min(patience, 2) }
    let stopped = silent.filter { here.contains($0) && isStill($0) }
    if !stopped.isEmpty { return blame(stopped, .stopped) }
    let near = silent.filter(here.contains)
    if !near.isEmpty { return blame(near, .stuck) }
    if !silent.isEmpty {
      // Of another machine it may be one rank, or all that was ever sent.
      let machineIsGone = silent.allSatisfy { now - records[$0].pulsed > patience }
      return blame(silent, machineIsGone ? .unreachable : .stuck)
    }
    if comesAndGoes, !records.allSatisfy(\.place.isPresent) { return nil }
    let waiting = present.filter { now - records[$0].moved > patience + 2 * Self.distance }
    return !present.isEmpty && waiting == present ? blame(waiting, .waiting) : nil
  }

  private func limit(of rank: Int) -> Double {
    // Who watches what an absent rank does is to tell of it first.
    guard records[rank].place.isPresent else { return patience + 2 * Self.distance }
    return here.contains(rank) ? patience : patience + Self.distance
  }
}
