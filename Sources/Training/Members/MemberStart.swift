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
    let folder = MemberFolder(path: String(decoding: path, as: UTF8.self))
    self.folder = folder
    let begun = try together(communicator) { () throws -> (lock: RunLock, plan: MemberPlan)? in
      isFirst ? try Self.begin(folder, options, plan: try make()) : nil
    }
    lock = begun?.lock
    let plan = try MemberPlan(
      try communicator.allgather(bytes: try begun?.plan.encoded() ?? [])[0], at: folder.planPath)
    self.plan = plan
    try together(communicator) { try Self.requireSeen(folder, plan) }

    let counts = try together(communicator) { () throws -> [Int: MemberFolder.Interruption] in
      isFirst ? try Self.takeUp(plan, options, in: folder) : [:]
    }
    let known = try communicator.allgather(bytes: Array(JSONEncoder().encode(counts)))[0]
    interruptions = try JSONDecoder().decode([Int: MemberFolder.Interruption].self, from: Data(known))
    // Rank 0 alone says what is left: other machines may see files a little later.
    let settled = isFirst ? plan.members.map(folder.isSettled) : []
    let flags = try communicator.allgather(bytes: settled.map { $0 ? 1 : 0 })[0]
    left = zip(plan.members, flags).filter { $0.1 == 0 }.map(\.0)
  }

  private static func begin(
    _ folder: MemberFolder, _ options: MemberRunner.Options, plan made: MemberPlan?
  ) throws -> (RunLock, MemberPlan) {
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
    plan.start = "\(UInt64.random(in: 1 ... .max))"
    try atomicWrite(plan.encoded(), to: folder.planPath)
    return (lock, plan)
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

  /// Settles what cannot be trained: configurations that are wrong, and members that end the job.
  private static func giveUp(
    _ plan: MemberPlan, _ interruptions: [Int: MemberFolder.Interruption], attempts: Int,
    in folder: MemberFolder
  ) throws {
    for member in plan.members where folder.outcome(of: member) == nil {
      if let mistake = member.mistake {
        try folder.settle(member, .failed(mistake))
      } else if let count = interruptions[member.number]?.count, count >= attempts {
        try folder.settle(
          member,
          .failed(
            "the job ended \(count) times while it was trained, without a newer checkpoint; "
              + "see its log.txt, then try again with --retry-failed"))
      }
    }
  }

  /// On rank 0: what the starts before have left.
  private static func takeUp(
    _ plan: MemberPlan, _ options: MemberRunner.Options, in folder: MemberFolder
  ) throws -> [Int: MemberFolder.Interruption] {
    if options.retriesFailed {
      for member in plan.members where folder.outcome(of: member)?.state == .failed {
        folder.removeOutcome(of: member)
      }
    }
    let counts = try folder.takeUpInterruptions(plan.members, forgets: options.retriesFailed)
    try giveUp(plan, counts, attempts: options.attempts, in: folder)
    return counts
  }
}
