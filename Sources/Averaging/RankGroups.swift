/// Ranks in groups that share memory, and who carries what between them.
///
/// Between groups a slice travels by messages between its owner and one rank of each other group, its courier there,
/// so that it crosses the network once in each direction, however many ranks a machine has.
package struct RankGroups: Sendable, Equatable {
  /// The ranks of each group: neighbours.
  package let ranges: [Range<Int>]

  package init(_ ranges: [Range<Int>]) {
    precondition(ranges.first?.lowerBound == 0)
    precondition(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    self.ranges = ranges
  }

  /// Every rank by itself: everything travels by messages.
  package static func apart(_ ranks: Int) -> RankGroups { RankGroups((0..<ranks).map { $0..<$0 + 1 }) }

  /// The number of the group that has this rank.
  package func index(of rank: Int) -> Int {
    guard let index = ranges.firstIndex(where: { $0.contains(rank) }) else {
      preconditionFailure("rank \(rank) is in no group")
    }
    return index
  }

  /// The rank of a group that carries the slice of an owner in another group: they take turns.
  package func courier(in group: Int, forOwner owner: Int) -> Int {
    let ranks = ranges[group]
    precondition(!ranks.contains(owner), "an owner needs no courier in its own group")
    let number = owner < ranks.lowerBound ? owner : owner - ranks.count
    return ranks.lowerBound + number % ranks.count
  }

  /// The owners in other groups whose slices this rank carries.
  package func ownersServed(by rank: Int) -> [Int] {
    let group = index(of: rank)
    let others = (0..<(ranges.last?.upperBound ?? 0)).filter { !ranges[group].contains($0) }
    return others.filter { courier(in: group, forOwner: $0) == rank }
  }
}
