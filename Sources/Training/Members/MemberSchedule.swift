import Foundation
import TensorCore

/// Deals the members that are left to the groups of ranks: whoever is free takes the next one that nobody has.
/// The first rank of every group has one.
package struct MemberSchedule {
  private let folder: MemberFolder
  private let holder: String
  /// Members in the order in which they are tried; those that a start has ended with come last.
  private var waiting: [Member]
  /// Members that may take the job along: trained by the first group alone when all others have nothing left to do, so
  /// that it is certain who is to blame.
  private var suspects: [Member]
  private let otherGroups: Range<Int>

  /// - Parameters:
  ///   - left: the members without an outcome.
  ///   - interruptions: of members, by their numbers.
  ///   - attempts: how often a member may be interrupted before it is given up.
  ///   - group: the number of this group.
  ///   - groups: how many there are.
  package init(
    _ left: [Member], interruptions: [Int: MemberFolder.Interruption], attempts: Int, group: Int,
    of groups: Int, in folder: MemberFolder, holder: String
  ) {
    func count(_ member: Member) -> Int { interruptions[member.number]?.count ?? 0 }
    let suspects = Self.suspects(among: left, interruptions, attempts: attempts)
    let numbers = Set(suspects.map(\.number))
    let others = left.filter { !numbers.contains($0.number) }
    waiting = others.filter { count($0) == 0 } + others.filter { count($0) > 0 }
    self.suspects = group == 0 ? suspects : []
    otherGroups = 1..<groups
    self.folder = folder
    self.holder = holder
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

  /// The next member for this group; nil when none is left, or all are to stop.
  ///
  /// - Parameter isStopping: whether nothing is to be begun any more.
  package mutating func next(isStopping: () -> Bool) throws(TrainingError) -> Member? {
    while !waiting.isEmpty {
      if isStopping() { return nil }
      let member = waiting.removeFirst()
      if try folder.claim(member, as: holder) { return member }
    }
    guard !suspects.isEmpty else { return nil }
    GroupWaiting(for: otherGroups, in: folder).wait(isStopping: isStopping)
    if isStopping() { return nil }
    let member = suspects.removeFirst()
    return try folder.claim(member, as: holder) ? member : nil
  }
}

/// Waits until some groups have nothing left to do, with looks at the folder now and then: a core that spins would be
/// missing elsewhere. One group at a time is looked for: many ranks may wait, for hours.
struct GroupWaiting {
  private var open: ArraySlice<Int>
  private let folder: MemberFolder

  init(for groups: Range<Int>, in folder: MemberFolder) { (open, self.folder) = (Array(groups)[...], folder) }

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
  ///   - wanted: ranks of a group, of which there are fewer only where `ranks` or `most` are; whoever is left over is
  ///     idle. nil: as many as the members leave, and one more in the first groups where it does not come out even.
  ///   - members: those that are left.
  ///   - most: the most ranks that a group may have.
  package init(ranks: Int, wanted: Int?, members: Int, most: Int) {
    let members = max(1, members)
    let each = max(1, min(wanted ?? ranks / members, most, ranks))
    let count = min(ranks / each, members)
    let total = wanted == nil ? min(ranks, count * most) : count * each
    let (quotient, rest) = total.quotientAndRemainder(dividingBy: count)
    var end = 0
    ranges = (0..<count).map { group in
      let start = end
      end += quotient + (group < rest ? 1 : 0)
      return start..<end
    }
  }

  /// The group of a rank; ranks that are in none get the number behind the last.
  package func index(ofRank rank: Int) -> Int { ranges.firstIndex { $0.contains(rank) } ?? ranges.count }

  /// The ranks that are in one.
  package var used: Range<Int> { 0..<(ranges.last?.upperBound ?? 0) }
}
