import MessagePassing

/// Where the time of every rank went: by whom the others are held up.
package struct RankTimes {
  /// Seconds, [ranks][phases] in the order of `TimeAccount.Phase.allCases`.
  let seconds: [[Double]]

  init(_ seconds: [[Double]]) { self.seconds = seconds }

  /// Seconds in each phase, over all ranks.
  var phases: [Double] {
    TimeAccount.Phase.allCases.map { phase in seconds.reduce(0) { $0 + $1[phase.rawValue] } }
  }

  /// The part of the steps' time that each rank waited for others, messages included; nothing for one rank.
  var waits: [Double] { seconds.count > 1 ? waits(since: nil) : [] }

  func waits(since before: RankTimes?) -> [Double] {
    seconds.indices.map { rank in
      func spent(_ phase: TimeAccount.Phase) -> Double {
        seconds[rank][phase.rawValue] - (before?.seconds[rank][phase.rawValue] ?? 0)
      }
      let waiting = spent(.communication)
      let all = waiting + spent(.compute) + spent(.data)
      return all > 0 ? min(max(waiting / all, 0), 1) : 0
    }
  }

  /// `rank 2 1 %, the others 35 to 41 %: they wait for rank 2`, or `8 to 12 % on all ranks`; nil for one rank.
  package static func text(waits: [Double]) -> String? {
    guard waits.count > 1, let least = waits.min(), let most = waits.max() else { return nil }
    func range(_ values: [Double]) -> String {
      let (low, high) = (percent(values.min() ?? 0), percent(values.max() ?? 0))
      return low == high ? "\(low) %" : "\(low) to \(high) %"
    }
    // Whoever waits by far the least is the one whom the others wait for.
    let slow = waits.indices.filter { waits[$0] < least + (most - least) / 2 }
    guard most - least >= 0.2, 2 * slow.count <= waits.count else { return "\(range(waits)) on all ranks" }
    let others = waits.indices.filter { !slow.contains($0) }
    let ranks = describeRanks(slow)
    return
      "\(ranks) \(range(slow.map { waits[$0] })), the others \(range(others.map { waits[$0] })): they wait for \(ranks)"
  }

  private static func percent(_ part: Double) -> Int { Int((100 * part).rounded()) }
}
