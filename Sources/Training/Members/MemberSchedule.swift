import Foundation
import TensorCore

/// Deals the members that are left to the groups of ranks: whoever is free takes the next one that nobody has.
/// The first rank of every group has one.
package struct MemberSchedule {
  private let folder: MemberFolder
  private let holder: String
  /// Members in the order in which they are tried; those that a start has ended with come last.
  private var waiting: [Member]
  /// Members that may take the job along: trained by the first group alone when all others are settled, so that it is
  /// certain who is to blame.
  private var suspects: [Member]
  private let others: [Member]

  /// - Parameters:
  ///   - left: the members without an outcome.
  ///   - interruptions: of members, by their numbers.
  ///   - attempts: how often a member may be interrupted before it is given up.
  package init(
    _ left: [Member], interruptions: [Int: MemberFolder.Interruption], attempts: Int, isFirstGroup: Bool,
    in folder: MemberFolder, holder: String
  ) {
    func count(_ member: Member) -> Int { interruptions[member.number]?.count ?? 0 }
    let isSuspect = { (member: Member) in count(member) > 0 && count(member) >= attempts - 1 }
    others = left.filter { !isSuspect($0) }
    waiting = others.filter { count($0) == 0 } + others.filter { count($0) > 0 }
    suspects = isFirstGroup ? left.filter(isSuspect) : []
    self.folder = folder
    self.holder = holder
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
    MemberWaiting(for: others, in: folder).wait(isStopping: isStopping)
    if isStopping() { return nil }
    let member = suspects.removeFirst()
    return try folder.claim(member, as: holder) ? member : nil
  }
}

/// Waits until some members are settled, with looks at their folders now and then: a core that spins would be missing
/// elsewhere.
struct MemberWaiting {
  private var open: [Member]
  private let folder: MemberFolder

  init(for members: [Member], in folder: MemberFolder) { (open, self.folder) = (members, folder) }

  /// Returns when they are, or `isStopping`.
  consuming func wait(isStopping: () -> Bool) {
    var pause: UInt32 = 2_000
    while true {
      open.removeAll(where: folder.isSettled)
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
  ///   - wanted: ranks of a group; nil: as many as the members leave.
  ///   - members: those that are left.
  ///   - most: the most ranks that a group may have.
  package init(ranks: Int, wanted: Int?, members: Int, most: Int) {
    let members = max(1, members)
    let each = max(1, min(wanted ?? ranks / members, most, ranks))
    let count = min(ranks / each, members)
    // Whatever is left over goes to the first groups.
    let total = min(ranks, count * most)
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
}
