import Checkpoints
import Foundation
import MessagePassing
import TensorCore

/// What all ranks agree on before the first member is trained: the plan, what an earlier start has left, and what is
/// still to be done.
struct MemberStart {
  let folder: MemberFolder
  let plan: MemberPlan
  /// How often a start has ended with a member, by its number.
  let interruptions: [Int: MemberFolder.Interruption]
  /// The members without an outcome.
  let left: [Member]
  /// On rank 0: whether it is the first start.
  let isNew: Bool
  /// On rank 0: members whose outcome could not be read.
  let damaged: [Member]
  /// On rank 0.
  private let lock: RunLock?

  /// All ranks call it. Whatever is wrong on any of them, all throw, alike.
  ///
  /// - Parameter make: makes the plan, on rank 0; nil where the folder has one.
  init(
    _ options: MemberRunner.Options, over communicator: any Communicator, plan make: () throws -> MemberPlan?
  ) throws {
    let isFirst = communicator.rank == 0
    let wanted = isFirst ? options.folder ?? RunFolder.firstFree("runs/" + options.name) : ""
    let path = try communicator.allgather(bytes: Array(wanted.utf8))[0]
    var folder = MemberFolder(path: String(decoding: path, as: UTF8.self))
    let begun = try together(communicator, summarizedFor: 1) { () throws -> Beginning? in
      isFirst ? try Self.begin(folder, options, ranks: communicator.size, plan: try make()) : nil
    }
    (lock, isNew) = (begun?.lock, begun?.isNew ?? false)
    let plan = try MemberPlan(
      try communicator.allgather(bytes: try begun?.plan.encoded() ?? [])[0], at: folder.planPath)
    self.plan = plan
    folder.start = plan.start
    self.folder = folder
    try together(communicator) { try Self.requireSeen(folder, plan) }

    // Rank 0 alone says what is left: other machines may see files a little later.
    let found = try together(communicator, summarizedFor: 1) { () throws -> Leftovers in
      isFirst ? try Self.takeUp(plan, options, in: folder) : Leftovers()
    }
    damaged = found.damaged.map { plan.members[$0 - 1] }
    let bytes = try communicator.allgather(bytes: Array(JSONEncoder().encode(found)))[0]
    let known = try JSONDecoder().decode(Leftovers.self, from: Data(bytes))
    interruptions = known.interruptions
    left = known.left.map { plan.members[$0 - 1] }
  }

  private struct Beginning {
    let lock: RunLock
    let plan: MemberPlan
    let isNew: Bool
  }

  /// What earlier starts have left; members by their numbers.
  private struct Leftovers: Codable {
    var interruptions: [Int: MemberFolder.Interruption] = [:]
    var left: [Int] = []
    var damaged: [Int] = []
  }

  private static func begin(
    _ folder: MemberFolder, _ options: MemberRunner.Options, ranks: Int, plan made: MemberPlan?
  ) throws -> Beginning {
    let isThere = FileManager.default.fileExists(atPath: folder.planPath)
    guard options.resume || !isThere else {
      throw TrainingError(
        at: folder.path, expected: "a new or empty folder", found: "several trainings, of an earlier start",
        remedy: "Go on with them with --resume, or name another folder with --out.")
    }
    guard !RunFolder.holdsRun(folder.path) else {
      throw TrainingError(
        at: folder.path, expected: "a new or empty folder", found: "a run",
        remedy: "Name another folder with --out.")
    }
    guard isThere || made != nil else {
      throw TrainingError(
        at: folder.path, expected: "the folder of a sweep or a cross-validation to go on with",
        found: "no \(MemberPlan.name) in it", remedy: "Check the path, or name what to begin with.")
    }
    let lock = try RunLock(folder: folder.path)
    var plan = isThere ? try folder.plan() : try made ?? folder.plan()
    if let made, !made.isSame(as: plan) {
      throw TrainingError(
        at: folder.path, expected: "the trainings that are asked for, \(made.words)",
        found: plan.difference(from: made),
        remedy: "Go on without naming them (--resume --out \(folder.path)), or begin anew in another folder.")
    }
    plan.completeNeeds()
    try plan.bindRanks(ranks, at: folder.path)
    plan.start = "\(UInt64.random(in: 1 ... .max))"
    try atomicWrite(plan.encoded(), to: folder.planPath)
    return Beginning(lock: lock, plan: plan, isNew: !isThere)
  }

  /// Refuses machines that see another folder, where members would be trained twice and results be missing.
  private static func requireSeen(_ folder: MemberFolder, _ plan: MemberPlan) throws {
    // Network file systems may show a new file a little later.
    let end = MonotonicTime.seconds + 10
    repeat {
      if let seen = try? folder.plan(), seen.start == plan.start { return }
      usleep(100_000)
    } while MonotonicTime.seconds < end
    throw TrainingError(
      at: folder.path, expected: "the folder that rank 0 has made, on every machine",
      found: "another, or none",
      remedy: "Name a folder on a file system that all machines share: --out DIR")
  }

  /// On rank 0: what the starts before have left.
  private static func takeUp(
    _ plan: MemberPlan, _ options: MemberRunner.Options, in folder: MemberFolder
  ) throws -> Leftovers {
    var found = Leftovers()
    var open: [Member] = []
    for member in plan.members {
      let (outcome, wasDamaged) = try folder.takeUpOutcome(of: member)
      if wasDamaged { found.damaged.append(member.number) }
      if outcome?.state == .failed, options.retriesFailed {
        folder.removeOutcome(of: member)
      } else if outcome != nil {
        continue
      }
      open.append(member)
    }
    // What has lost only its outcome was not interrupted.
    let interruptible = open.filter { !found.damaged.contains($0.number) }
    found.interruptions = try folder.takeUpInterruptions(interruptible, forgets: options.retriesFailed)
    for member in open {
      if let reason = reasonToGiveUp(member, found.interruptions, attempts: options.attempts) {
        try folder.settle(member, .failed(reason))
      } else {
        found.left.append(member.number)
      }
    }
    return found
  }

  /// Why a member is not trained: a configuration that is wrong, or that it ends the job; nil where it is.
  private static func reasonToGiveUp(
    _ member: Member, _ interruptions: [Int: MemberFolder.Interruption], attempts: Int
  ) -> String? {
    if let mistake = member.mistake { return mistake }
    guard let count = interruptions[member.number]?.count, count >= attempts else { return nil }
    return "the job ended \(count) times while it was trained, without a newer checkpoint; "
      + "see its log.txt, then try again with --retry-failed"
  }
}
