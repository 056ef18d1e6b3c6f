import Averaging
import Checkpoints
import Foundation
import MessagePassing
import TensorCore

/// Trains all members of a plan inside one job: the ranks are split into groups, each of which trains a member at a time
/// and takes the next when it has done so. Every rank makes one.
///
/// A member is trained as it would be alone, to the same bits. One that fails is noted with its reason, and the others go
/// on. Where a process dies the job ends with it; the next start goes on with what is not settled.
public final class MemberRunner {
  public struct Options: Sendable {
    /// The folder of all members; nil: a new one below `runs/`.
    public var folder: String?
    /// What it is called when it gets one of its own.
    public var name = "members"
    public var resume = false
    /// Whether members that failed are tried once more.
    public var retriesFailed = false
    /// How often the job may end while a member is under way and has no newer checkpoint, before it is given up.
    public var attempts = 3
    public var allowChangedData = false
    /// Seconds from the start of the process in which all is to be saved and out; nil: as long as it takes.
    public var timeLimit: Double?
    /// Seconds without progress of some rank after which the job is ended; 0: nobody watches.
    public var hangTimeout = 0.0

    public init() {}
  }

  /// How a start ended.
  public enum Ending: Sendable, Equatable {
    /// All members are settled, and so many of them have failed.
    case settled(failed: Int, of: Int)
    /// Some are left, saved, to be gone on with.
    case stopped
  }

  private let options: Options
  private let world: World
  private let start: MemberStart
  private let folder: MemberFolder
  private let plan: MemberPlan
  private let left: [Member]
  private let groups: MemberGroups
  /// The ranks that train a member together with this one.
  private let group: World
  private let groupIndex: Int
  private let stopFile: StopFile
  private let log: RunLog
  private let usualPatience: Double
  /// The longest time that a member took before its first step.
  private var longestStart = 0.0

  /// Makes or takes up the folder, on all ranks together. Whatever is wrong on any rank, all throw, alike.
  ///
  /// - Parameters:
  ///   - path: a sweep's file; nil where the folder has a plan.
  ///   - overrides: the values of `--set`, for all members.
  public convenience init(
    sweep path: String?, overrides: [String] = [], options: Options, in world: World
  ) throws {
    try self.init(options: options, in: world) {
      try path.map { path throws(ConfigurationError) in try MemberPlan.sweep(path, overrides: overrides) }
    }
  }

  /// The same for the folds of a cross-validation.
  ///
  /// - Parameters:
  ///   - folds: at least 2; nil where the folder has a plan.
  ///   - isStratified: whether the samples of every class are dealt evenly.
  ///   - ranks: of each fold; nil: as many as there are for it.
  public convenience init(
    folds: Int?, isStratified: Bool = false, ranks: Int? = nil, of configuration: String?,
    overrides: [String] = [], options: Options, in world: World
  ) throws {
    try self.init(options: options, in: world) {
      guard let configuration, let folds else { return nil }
      return try MemberPlan.folds(
        folds, isStratified: isStratified, ranks: ranks, of: configuration, overrides: overrides)
    }
  }

  /// - Parameter make: makes the plan, on rank 0; nil where the folder has one.
  private init(options: Options, in world: World, plan make: () throws -> MemberPlan?) throws {
    (self.options, self.world) = (options, world)
    let communicator = world.communicator
    // Groups end at different times, by hours; what hangs is found by the watch.
    usualPatience = communicator.patience
    communicator.patience = .infinity
    start = try MemberStart(options, over: communicator, plan: make)
    (plan, left, folder) = (start.plan, start.left, start.folder)
    let (plan, left) = (start.plan, start.left)
    let most = left.compactMap { try? plan.configuration(of: $0).mostRanks }.min() ?? 1
    let groups = MemberGroups(ranks: world.size, wanted: plan.ranks, members: left.count, most: most)
    self.groups = groups
    groupIndex = groups.index(ofRank: world.rank)
    group = World(try communicator.split(color: groupIndex))
    stopFile = StopFile(in: folder)
    log = RunLog(at: group.rank == 0 ? folder.logPath : nil, silent: group.rank > 0)
    if world.rank == 0 { announce() }
  }

  private func announce() {
    let count = plan.members.count
    let idle = world.size - (groups.ranges.last?.upperBound ?? 0)
    let sizes = groups.ranges.map(\.count)
    var text = "\(plan.words), \(count - left.count) settled"
    if !left.isEmpty {
      let each = sizes.min() == sizes.max() ? "\(sizes[0])" : "\(sizes.min() ?? 0) to \(sizes.max() ?? 0)"
      text +=
        "; \(sizes.count) at a time on \(each) \(sizes.max() == 1 ? "rank" : "ranks") each, results in \(folder.path)"
    }
    log.message(text)
    if idle > 0, !left.isEmpty {
      log.message(
        "\(idle) of \(world.size) ranks are not needed: a member has as many as its shards at most, and there are "
          + "\(left.count) members left; more shards need --set shards=N")
    }
    for member in plan.members where member.mistake != nil && !options.resume {
      log.warning("member \(member.name) (\(member.words)) is left out: \(member.mistake ?? "")")
    }
  }

  // MARK: - Training

  /// Trains until all is settled, or until a signal or the time limit asks to stop; all ranks return the same.
  public func run() throws -> Ending {
    if groupIndex < groups.ranges.count { try trainAll() }
    MemberWaiting(for: left, in: folder).wait { [stopFile, folder] in
      if StopSignal.request != nil { folder.requestStop() }
      return stopFile.isRequested
    }
    try world.communicator.barrier()
    let outcomes = world.rank == 0 ? plan.members.map(folder.outcome(of:)) : []
    let figures = try world.communicator.allgather(
      bytes: outcomes.map { $0.map { $0.state == .failed ? 2 : 1 } ?? 0 })[0]
    try together(world.communicator) {
      if world.rank == 0 { try report(outcomes) }
    }
    if figures.contains(0) { return .stopped }
    return .settled(failed: figures.count { $0 == 2 }, of: figures.count)
  }

  private func trainAll() throws {
    let isFirst = group.rank == 0
    let range = groups.ranges[groupIndex]
    var schedule = MemberSchedule(
      left, interruptions: start.interruptions, attempts: options.attempts, isFirstGroup: groupIndex == 0,
      in: folder,
      holder: "\(describeRanks(Array(range))) on \(group.communicator.machine.name), process \(getpid())")
    while true {
      group.communicator.patience = .infinity
      // The others of the group learn it from the first.
      let number = try isFirst ? schedule.next { isStopping }?.number ?? 0 : 0
      let bytes = withUnsafeBytes(of: Int64(number).littleEndian) { Array($0) }
      let chosen = try group.communicator.allgather(bytes: bytes)[0]
        .withUnsafeBytes { Int(Int64(littleEndian: $0.loadUnaligned(as: Int64.self))) }
      guard chosen > 0 else { break }
      group.communicator.patience = usualPatience
      try train(plan.members[chosen - 1])
    }
    if isFirst, isStopping { folder.requestStop() }
  }

  /// Whether nothing new is to be begun.
  private var isStopping: Bool {
    if StopSignal.request != nil || stopFile.isRequestedNow { return true }
    guard let limit = options.timeLimit, let age = ProcessAge.seconds else { return false }
    return age + longestStart + min(5, limit / 4) >= limit
  }

  private func train(_ member: Member) throws {
    let begin = MonotonicTime.seconds
    var outcome: MemberOutcome?
    do {
      outcome = try trained(member)
    } catch let error as AgreedFailure {
      outcome = .failed("\(error)")
    } catch let error as TrainingError {
      outcome = .failed("\(error)")
    } catch let error as AveragingError {
      outcome = .failed("\(error)")
    }
    outcome?.seconds = MonotonicTime.seconds - begin
    guard group.rank == 0 else { return }
    if let outcome {
      try folder.settle(member, outcome)
    } else {
      // In this order: nobody else is to take it now.
      folder.requestStop()
      folder.unclaim(member)
    }
    tell(member, outcome)
  }

  /// nil where it was stopped.
  private func trained(_ member: Member) throws -> MemberOutcome? {
    let begin = MonotonicTime.seconds
    let configuration = try together(group.communicator) { try plan.configuration(of: member) }
    var options = TrainingRun.Options()
    options.folder = folder.path(of: member)
    options.resume = true
    options.allowChangedData = self.options.allowChangedData
    options.timeLimit = self.options.timeLimit
    options.hangTimeout = self.options.hangTimeout
    options.isQuiet = true
    options.shouldStop = { [stopFile] in stopFile.isRequested }
    let run = try TrainingRun(configuration, options: options, in: group)
    longestStart = max(longestStart, MonotonicTime.seconds - begin)
    if group.rank == 0 {
      let from = run.trainer.step > 0 ? " goes on from step \(run.trainer.step)" : " begins"
      log.message(
        "member \(member.name)\(from) on \(describeRanks(Array(groups.ranges[groupIndex]))): \(member.words)")
    }
    return try run.train() == .finished ? run.outcome : nil
  }

  // MARK: - Telling

  private func tell(_ member: Member, _ outcome: MemberOutcome?) {
    guard let outcome else {
      return log.message("member \(member.name) is stopped and saved: \(member.words)")
    }
    let seconds = NumberText.duration(outcome.seconds ?? 0)
    guard outcome.state == .finished, let result = outcome.results.first else {
      return log.warning(
        "member \(member.name) has failed after \(seconds) (\(member.words)): \(outcome.reason ?? "no reason")"
      )
    }
    let accuracy = result.accuracy.map { "accuracy \(NumberText.percent($0)), " } ?? ""
    log.message(
      "member \(member.name) has finished in \(seconds): \(result.split.rawValue) \(accuracy)loss "
        + "\(NumberText.loss(result.loss)); \(member.words)")
  }

  private func report(_ outcomes: [MemberOutcome?]) throws {
    let table = MemberTable(plan, outcomes)
    try atomicWrite(Array(table.csv.utf8), to: folder.path + "/results.csv")
    try atomicWrite(table.json(), to: folder.path + "/results.json")
    log.message(table.text)
    let open = outcomes.count { $0 == nil }
    guard open > 0 else { return log.message("results in \(folder.path)/results.csv and results.json") }
    let command = plan.kind == .sweep ? "sweep" : "crossvalidate"
    let reason = StopSignal.request != nil || options.timeLimit == nil ? "a signal" : "the time limit"
    log.message(
      "stopped by \(reason), \(open) of \(outcomes.count) members are left; go on with: "
        + "\(RunSummary.shellWord(CommandLine.arguments.first ?? "lockstep")) \(command) --resume --out "
        + RunSummary.shellWord(folder.path))
  }
}
