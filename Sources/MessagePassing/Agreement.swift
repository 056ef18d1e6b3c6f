// What ranks do before the first step so that none goes on alone: each says whether it failed.

/// Gathers the failures of all ranks: a rank that could not set itself up passes its message, one that could
/// passes nil. All ranks get the same list, in the order of the ranks and with their numbers in the job; it is empty if
/// nobody failed.
///
/// A collective call, for errors that are found before the ranks need each other. Later ones end the job by
/// `abort`.
public func agree(
  onFailureOf failure: String?, over communicator: any Communicator
) throws(MessagePassingError) -> [(rank: Int, message: String)] {
  let mine = failure.map { ["\(communicator.rankInJob)", $0] } ?? []
  return try StringPacking.gather(mine, over: communicator).enumerated().compactMap { rank, strings in
    strings.count == 2 ? (Int(strings[0]) ?? rank, strings[1]) : nil
  }
}

/// The failures of `agree` as lines to show: each distinct message once, with the ranks it came from.
///
/// In a world of one rank, or if all of `size` ranks say the same, the message stands alone.
public func summarize(_ failures: [(rank: Int, message: String)], size: Int) -> [String] {
  groupRanks(by: failures.map(\.message)).map { group in
    let ranks = group.ranks.map { failures[$0].rank }
    return ranks.count == size ? group.value : "\(describeRanks(ranks)): \(group.value)"
  }
}

/// The indices of equal values together, in the order of their first ones.
package func groupRanks<Value: Hashable>(by values: [Value]) -> [(value: Value, ranks: [Int])] {
  var groups: [(value: Value, ranks: [Int])] = []
  var places: [Value: Int] = [:]
  for (rank, value) in values.enumerated() {
    if let place = places[value] {
      groups[place].ranks.append(rank)
    } else {
      places[value] = groups.count
      groups.append((value, [rank]))
    }
  }
  return groups
}

/// Ascending ranks in words: "rank 1", "ranks 0, 2", "ranks 0 to 6, 8".
package func describeRanks(_ ranks: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for rank in ranks {
    if let last = runs.last, last.upperBound + 1 == rank {
      runs[runs.count - 1] = last.lowerBound...rank
    } else {
      runs.append(rank...rank)
    }
  }
  let words = runs.map { run in
    switch run.count {
    case 1: "\(run.lowerBound)"
    case 2: "\(run.lowerBound), \(run.upperBound)"
    default: "\(run.lowerBound) to \(run.upperBound)"
    }
  }
  return "rank\(ranks.count == 1 ? "" : "s") \(words.joined(separator: ", "))"
}
