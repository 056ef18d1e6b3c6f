import Foundation

/// The place where the ranks of an in-process world meet: every collective call of theirs waits here for
/// the same call of all others. The last to come moves the data of all and lets everyone go on.
///
/// As every call meets all ranks, nobody waits for ever: ranks whose calls differ, a rank that fails and a
/// rank that ends early are noticed, and everyone's calls throw from then on.
final class Meeting: @unchecked Sendable {
  private let size: Int
  /// Guards everything below.
  private let condition = NSCondition()
  private var arrivals: [Arrival?]
  private var arrivedCount = 0
  private var generation = 0
  private var departed: [Int] = []
  private var failure: InProcessWorld.Failure?
  /// What the ranks brought to the latest `allgatherBytes`.
  private var gathered: [[UInt8]] = []
  /// The meetings of parts of the ranks, which end with this one.
  private var parts: [Part: Meeting] = [:]

  private struct Part: Hashable {
    /// The how manieth division of the ranks it belongs to.
    let division: Int
    let ranks: [Int]
  }

  init(size: Int) {
    self.size = size
    arrivals = .init(repeating: nil, count: size)
  }

  var firstFailure: InProcessWorld.Failure? { condition.withLock { failure } }

  /// Returns when all ranks have arrived with the same call and its work is done; with what the ranks
  /// brought, for an `allgatherBytes` and a `split`.
  @discardableResult
  func meet(_ rank: Int, _ arrival: Arrival) throws(MessagePassingError) -> [[UInt8]] {
    condition.lock()
    defer { condition.unlock() }
    if let failure { throw release(rank, arrival.call.description, failure) }
    if let other = departed.first {
      throw failAll(rank, absence(of: other, from: rank, arrival.call))
    }
    if let (other, first) = firstArrival(), !first.call.matches(arrival.call) {
      throw failAll(rank, difference(rank, arrival.call, other, first.call))
    }
    arrivals[rank] = arrival
    arrivedCount += 1
    if arrivedCount < size {
      let mine = generation
      while generation == mine && failure == nil { condition.wait() }
      // A failure that came after this meeting is for the next call to report.
      if generation == mine, let failure { throw release(rank, arrival.call.description, failure) }
      return gathered
    }
    let everyone = arrivals.compactMap { $0 }
    do {
      gathered = try arrival.call.perform(everyone)
    } catch {
      throw failAll(rank, error)
    }
    arrivals = .init(repeating: nil, count: size)
    arrivedCount = 0
    generation += 1
    condition.broadcast()
    return gathered
  }

  /// Where some of the ranks meet after a division: the same place for all that name it.
  func part(_ ranks: [Int], ofDivision division: Int) -> Meeting {
    condition.withLock {
      let part = Part(division: division, ranks: ranks)
      if let meeting = parts[part] { return meeting }
      let meeting = Meeting(size: ranks.count)
      for (place, rank) in ranks.enumerated() where departed.contains(rank) { meeting.depart(place) }
      if let failure { meeting.fail(failure) }
      parts[part] = meeting
      return meeting
    }
  }

  /// Notes that a rank has come to its end. Whoever waits for it, waits in vain.
  func depart(_ rank: Int) {
    condition.withLock {
      departed.append(rank)
      for (part, meeting) in parts {
        if let place = part.ranks.firstIndex(of: rank) { meeting.depart(place) }
      }
      guard failure == nil, let (other, first) = firstArrival() else { return }
      _ = failAll(other, absence(of: rank, from: other, first.call))
    }
  }

  /// Notes that a rank has failed, and releases the others, whatever part they meet in.
  func fail(_ rank: Int, _ error: any Error) { fail(InProcessWorld.Failure(rank: rank, error: error)) }

  private func fail(_ failure: InProcessWorld.Failure) {
    condition.withLock {
      if self.failure == nil { self.failure = failure }
      for meeting in parts.values { meeting.fail(failure) }
      condition.broadcast()
    }
  }

  func throwIfFailed(_ rank: Int, _ call: String) throws(MessagePassingError) {
    condition.lock()
    defer { condition.unlock() }
    if let failure { throw release(rank, call, failure) }
  }

  /// For who waits elsewhere for another rank: it will not come if some rank has failed or that one has ended, unless
  /// it came before.
  func throwIfGone(
    _ other: Int, _ rank: Int, _ call: String, isMissing: () -> Bool
  ) throws(MessagePassingError) {
    condition.lock()
    defer { condition.unlock() }
    if let failure { throw release(rank, call, failure) }
    guard departed.contains(other), isMissing() else { return }
    throw failAll(
      rank,
      MessagePassingError(
        at: "\(call), rank \(rank) of \(size)", expected: "rank \(other) to come",
        found: "rank \(other) at its end", remedy: "All ranks must make the same calls in the same order."))
  }

  // MARK: With the lock held

  private func firstArrival() -> (rank: Int, Arrival)? {
    for (rank, arrival) in arrivals.enumerated() {
      if let arrival { return (rank, arrival) }
    }
    return nil
  }

  private func failAll(_ rank: Int, _ error: MessagePassingError) -> MessagePassingError {
    failure = InProcessWorld.Failure(rank: rank, error: error)
    condition.broadcast()
    return error
  }

  // MARK: What to say

  private func difference(
    _ rank: Int, _ call: Call, _ other: Int, _ otherCall: Call
  ) -> MessagePassingError {
    MessagePassingError(
      at: "rank \(rank) of \(size)", expected: "\(otherCall), as rank \(other) calls", found: "\(call)",
      remedy: "All ranks must make the same calls in the same order.")
  }

  private func absence(of other: Int, from rank: Int, _ call: Call) -> MessagePassingError {
    MessagePassingError(
      at: "\(call) on rank \(rank) of \(size)", expected: "the same call by all ranks",
      found: "rank \(other) at its end", remedy: "All ranks must make the same calls in the same order.")
  }

  private func release(
    _ rank: Int, _ call: String, _ failure: InProcessWorld.Failure
  ) -> MessagePassingError {
    MessagePassingError(
      at: "\(call) on rank \(rank) of \(size)", expected: "all ranks to work",
      found: "a failure of rank \(failure.rank) (\(failure.error))", remedy: "Mend that first.")
  }
}
