import Foundation
import TensorCore

/// Deals the members that are left to the groups of ranks: whoever is free takes the next one that nobody has and that
/// has room for all of its ranks. The first rank of every group has one.
package struct MemberSchedule {
  /// What a group does next.
  package enum Assignment: Equatable {
    case train(Member)
    /// What is left has room for fewer ranks: it goes on as so many groups of so many ranks.
    case split(ranks: Int, parts: Int)
    /// Nothing is left, or all are to stop.
    case end
  }

  private let folder: MemberFolder
  /// Members in the order in which they are tried; those that a start has ended with come last.
  private var waiting: [Member]
  /// Members that may take the job along: trained by the first group alone when all others have nothing left to do, so
  /// that it is certain who is to blame.
  private var suspects: [Member]
  /// By their first ranks.
  private var otherGroups: [Int]
  /// Whether groups have different numbers of ranks: then each takes what has little room to spare.
  private let fitsClosely: Bool

  /// - Parameters:
  ///   - left: the members without an outcome.
  ///   - interruptions: of members, by their numbers.
  ///   - attempts: how often a member may be interrupted before it is given up.
  ///   - first: the first rank of this group.
  ///   - groups: all that there are.
  package init(
    _ left: [Member], interruptions: [Int: MemberFolder.Interruption], attempts: Int, first: Int,
    of groups: MemberGroups, in folder: MemberFolder
  ) {
    func count(_ member: Member) -> Int { interruptions[member.number]?.count ?? 0 }
    let suspects = Self.suspects(among: left, interruptions, attempts: attempts)
    let numbers = Set(suspects.map(\.number))
    let others = left.filter { !numbers.contains($0.number) }
    waiting = others.filter { count($0) == 0 } + others.filter { count($0) > 0 }
    self.suspects = first == 0 ? suspects : []
    otherGroups = groups.ranges.map(\.lowerBound).filter { $0 != first }
    fitsClosely = Set(groups.ranges.map(\.count)).count > 1
    self.folder = folder
  }

  /// Members that are given up if the job ends with them once more.
  package static func suspects(
    among members: [Member], _ interruptions: [Int: MemberFolder.Interruption], attempts: Int
  ) -> [Member] {
    members.filter { member in
      let count = interruptions[member.number]?.count ?? 0
      return count > 0 && count >= attempts - 1
    }
  }

  /// Notes that this group has become several, of which it is the first.
  ///
  /// - Parameter parts: the first ranks of the others.
  package mutating func noteSplit(into parts: [Int]) { otherGroups += parts }

  /// What this group does next, as `holder`.
  ///
  /// - Parameters:
  ///   - ranks: how many it has.
  ///   - isStopping: whether nothing is to be begun any more.
  package mutating func next(
    ranks: Int, as holder: String, isStopping: () -> Bool
  ) throws(TrainingError) -> Assignment {
    while let place = place(forRanks: ranks) {
      if isStopping() { return .end }
      let member = waiting.remove(at: place)
      if try folder.claim(member, as: holder) { return .train(member) }
    }
    waiting.removeAll { folder.isClaimed($0) }
    if let most = waiting.map(\.mostRanks).max() {
      return isStopping() ? .end : .split(ranks: most, parts: min(ranks / most, waiting.count))
    }
    guard let suspect = suspects.first else { return .end }
    GroupWaiting(for: otherGroups, in: folder).wait(isStopping: isStopping)
    if isStopping() { return .end }
    if suspect.mostRanks < ranks { return .split(ranks: suspect.mostRanks, parts: 1) }
    suspects.removeFirst()
    return try folder.claim(suspect, as: holder) ? .train(suspect) : .end
  }

  /// The place of the next member that has room for so many ranks.
  private func place(forRanks ranks: Int) -> Int? {
    let fitting = waiting.indices.lazy.filter { waiting[$0].mostRanks >= ranks }
    return fitsClosely ? fitting.min { waiting[$0].mostRanks < waiting[$1].mostRanks } : fitting.first
  }
}

extension Member {
  /// The most ranks that can share one of its steps.
  var mostRanks: Int { needs?.mostRanks ?? 1 }
}

/// Waits until some groups have nothing left to do, with looks at the folder now and then: a core that spins would be
/// missing elsewhere. One group at a time is looked for: many ranks may wait, for hours.
struct GroupWaiting {
  private var open: ArraySlice<Int>
  private let folder: MemberFolder

  /// - Parameter groups: by their first ranks.
  init(for groups: [Int], in folder: MemberFolder) { (open, self.folder) = (groups[...], folder) }

  /// Returns when they have, or `isStopping`.
  consuming func wait(isStopping: () -> Bool) {
    var pause: UInt32 = 2_000
    while true {
      while let group = open.first, folder.hasEnded(group: group) { open.removeFirst() }
      if open.isEmpty || isStopping() { return }
      usleep(pause)
      pause = min(pause * 2, 200_000)
    }
  }
}

/// Parts of a world that train a member each.
package struct MemberGroups: Equatable {
  /// The ranks of each group; they follow each other, and are the first of the world.
  package let ranges: [Range<Int>]

  /// - Parameters:
  ///   - ranks: of the world.
  ///   - wanted: ranks of a group, of which there are fewer only where the world or all members have fewer; whoever is
  ///     left over is idle. nil: as many as the members leave, as evenly as their room allows; one more in the first groups
  ///     where it does not come out even.
  ///   - most: of each member that is left, the most ranks that it has room for.
  package init(ranks: Int, wanted: Int?, most: [Int]) {
    let most = most.isEmpty ? [1] : most.sorted()
    var sizes: [Int] = []
    if wanted != nil || ranks < most.count {
      let each = max(1, min(wanted ?? 1, most[most.count - 1], ranks))
      sizes = [Int](repeating: each, count: min(ranks / each, most.count))
    } else {
      // What members with little room leave goes to those with more.
      var rest = ranks
      for (place, room) in most.enumerated() {
        sizes.insert(max(1, min(room, rest / (most.count - place))), at: 0)
        rest -= sizes[0]
      }
    }
    var end = 0
    ranges = sizes.map { size in
      defer { end += size }
      return end..<end + size
    }
  }

  /// The group of a rank; ranks that are in none get the number behind the last.
  package func index(ofRank rank: Int) -> Int { ranges.firstIndex { $0.contains(rank) } ?? ranges.count }

  /// The ranks that are in one.
  package var used: Range<Int> { 0..<(ranges.last?.upperBound ?? 0) }
}
