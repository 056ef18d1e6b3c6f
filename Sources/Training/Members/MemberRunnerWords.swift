import Checkpoints
import Foundation
import MessagePassing

/// What a runner says at its beginning and at its end.
extension MemberRunner {
  /// What is wrong with where the ranks compute, on rank 0. All ranks call it: those of one member cannot see that others
  /// use the same cores.
  func findPlacementFaults() throws -> [PlacementFault] {
    let threads = left.compactMap { $0.needs?.threads }.max() ?? 1
    let places = try RankPlace.gather(threads: threads, over: world.communicator)
    // Ranks without work are in nobody's way.
    let machines = world.communicator.machines.map { $0.clamped(to: groups.used) }.filter { !$0.isEmpty }
    return left.isEmpty ? [] : PlacementFault.find(places, on: machines)
  }

  /// On rank 0.
  func announce(_ faults: [PlacementFault]) {
    let sizes = groups.ranges.map(\.count)
    let (least, most) = (sizes.min() ?? 0, sizes.max() ?? 0)
    var text = "\(plan.words), \(plan.members.count - left.count) settled"
    if !left.isEmpty {
      let each = least == most ? "\(least)" : "\(least) to \(most)"
      text +=
        "; \(sizes.count) at a time on \(each) \(most == 1 ? "rank" : "ranks") each, results in \(folder.path)"
    }
    log.message(text)
    for member in start.damaged {
      log.warning("member \(member.name): its \(MemberOutcome.name) was damaged and is made anew")
    }
    for member in plan.members where start.isNew {
      guard let mistake = member.mistake else { continue }
      log.warning("member \(member.name) (\(member.words)) is left out: \(mistake)")
    }
    guard !left.isEmpty else { return }
    announceRanks(each: least)
    announceSuspects()
    guard let first = faults.first else { return }
    let others = faults.count == 1 ? "" : " (and \(faults.count - 1) more machines are like that)"
    log.warning("\(first.found); \(first.fix)\(others)")
  }

  private func announceRanks(each: Int) {
    if let averaging = plan.boundAveraging {
      log.message(
        "averaging \(averaging): the bits depend on the ranks of a member, \(each), which all later starts keep"
      )
    }
    if let wanted = plan.ranks, each < wanted {
      let reason =
        world.size < wanted && each == world.size
        ? "there are no more" : "a member has as many as its shards at most, or as it began with"
      log.message("\(each) instead of \(wanted) ranks for a member: \(reason)")
    }
    let idle = world.size - groups.used.count
    guard idle > 0 else { return }
    let members = left.count == 1 ? "there is 1 member left" : "there are \(left.count) members left"
    let reason =
      if plan.ranks == nil, plan.boundRanks == nil {
        "a member has as many as its shards at most, and \(members); more shards need --set shards=N"
      } else if groups.ranges.count == left.count {
        "\(members), on \(each) each"
      } else {
        "a member has \(each), and they are too few for another"
      }
    log.message("\(idle) of \(world.size) ranks \(idle == 1 ? "is" : "are") not needed: \(reason)")
  }

  private func announceSuspects() {
    let suspects = MemberSchedule.suspects(
      among: left, start.interruptions, attempts: options.attempts)
    guard !suspects.isEmpty, let first = groups.ranges.first else { return }
    let numbers = suspects.map(\.name).joined(separator: ", ")
    let (members, they) = suspects.count == 1 ? ("member", "it is") : ("members", "they are")
    let times = options.attempts < 3 ? "once" : "\(options.attempts - 1) times"
    log.warning(
      "\(members) \(numbers): the job has ended \(times) meanwhile, without a newer "
        + "checkpoint; \(they) trained last, one after the other, on \(describeRanks(Array(first))), while all others "
        + "wait, and given up if that happens again")
  }

  // MARK: - Along the way

  /// - Parameter outcome: nil where it was stopped.
  func tell(_ member: Member, _ outcome: MemberOutcome?) {
    guard let outcome else {
      return log.message("member \(member.name) is stopped and saved: \(member.words)")
    }
    let seconds = NumberText.duration(outcome.seconds ?? 0)
    guard outcome.state == .finished else {
      return log.warning(
        "member \(member.name) has failed after \(seconds) (\(member.words)): \(outcome.reason ?? "no reason")"
      )
    }
    var figures = "nothing to try it on"
    if let result = outcome.results.first {
      let accuracy = result.accuracy.map { "accuracy \(NumberText.percent($0)), " } ?? ""
      figures = "\(result.split.rawValue) \(accuracy)loss \(NumberText.loss(result.loss))"
    }
    log.message("member \(member.name) has finished in \(seconds): \(figures); \(member.words)")
  }

  // MARK: - The end

  /// On rank 0.
  ///
  /// - Parameter reason: why members are left that could be gone on with; nil where there are none.
  func report(_ outcomes: [MemberOutcome?], stoppedBy reason: String?) throws {
    let table = MemberTable(plan, outcomes)
    try atomicWrite(Array(table.csv.utf8), to: folder.path + "/results.csv")
    try atomicWrite(table.json(), to: folder.path + "/results.json")
    log.message(table.text)
    let open = outcomes.count { $0 == nil }
    guard open > 0 else { return log.message("results in \(folder.path)/results.csv and results.json") }
    let command =
      "\(RunSummary.shellWord(CommandLine.arguments.first ?? "lockstep")) "
      + "\(plan.kind == .sweep ? "sweep" : "crossvalidate") --resume --out \(RunSummary.shellWord(folder.path))"
    let what = "\(open) of \(outcomes.count) members \(open == 1 ? "is" : "are")"
    log.message(
      reason.map { "stopped by \($0), \(what) left; go on with: \(command)" }
        ?? "\(what) as before and cannot be gone on with here, see above; afterwards: \(command)")
  }
}
