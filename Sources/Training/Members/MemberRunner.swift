import Averaging
import Checkpoints
import Foundation
import MessagePassing
import TensorCore

/// Trains all members of a plan inside one job: the ranks are split into groups, each of which trains a member at a time
/// and takes the next when it has done so. Every rank makes one.
///
/// A member is trained as it would be alone, to the same bits; with `allreduce` and `periodic`, whose bits depend on the
/// ranks, to those of the same number of ranks, which is kept for all starts. One that fails is noted with its reason, and
/// the others go on; one that cannot be gone on with, as on changed data, stays as it is. Where a process dies the job
/// ends with it; the next start goes on with what is not settled.
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
    /// Seconds that a member takes before its first step, where that is known before one has been begun.
    package var expectedStart = 0.0

    public init() {}
  }

  /// How a start ended.
  public enum Ending: Sendable, Equatable {
    /// All members are settled, and so many of them have failed.
    case settled(failed: Int, of: Int)
    /// Some are left, saved, to be gone on with.
    case stopped
    /// All others are settled, but so many could not be gone on with, and are as they were.
    case refused(Int, of: Int)
  }

  let options: Options
  let world: World
  let start: MemberStart
  let folder: MemberFolder
  let plan: MemberPlan
  let left: [Member]
  /// The groups that the world begins with.
  let groups: MemberGroups
  private(set) var log: RunLog
  /// The ranks that train a member together with this one: at last a part of a part of the world, each kept until the end.
  private var parts: [World]
  private var group: World { parts[parts.count - 1] }
  /// Their numbers in the world; nil where this one is idle.
  private var range: Range<Int>?
  private let shelf: DataShelf?
  private let stopFile: StopFile
  private var watch: RunWatch?
  private let usualPatience: Double
  /// The longest time that a member took before its first step.
  private var longestStart: Double
  /// Whether a member was stopped: what is saved for lack of time makes no room for another.
  private var hasStopped = false
  /// Those of this group that could not be gone on with, on its first rank.
  private var refused: [Int] = []

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
    usualPatience = communicator.patience
    longestStart = options.expectedStart
    start = try MemberStart(options, over: communicator, plan: make)
    (plan, left, folder) = (start.plan, start.left, start.folder)
    let groups = MemberGroups(
      ranks: world.size, wanted: start.plan.boundRanks ?? start.plan.ranks, most: start.left.map(\.mostRanks))
    self.groups = groups
    let index = groups.index(ofRank: world.rank)
    range = index < groups.ranges.count ? groups.ranges[index] : nil
    let group = World(try communicator.split(color: index))
    parts = [group]
    shelf = try DataShelf.make(over: communicator)
    stopFile = StopFile(in: folder)
    log = RunLog(at: group.rank == 0 ? folder.logPath : nil, silent: group.rank > 0)
    let faults = try findPlacementFaults()
    if world.rank == 0 { announce(faults) }
  }

  // MARK: - Training

  /// Trains until all is settled, or until a signal or the time limit asks to stop; all ranks return the same.
  public func run() throws -> Ending {
    let communicator = world.communicator
    try beginWatch()
    defer { watch?.end() }
    // Groups end at different times, by hours; what hangs is found by the watch.
    communicator.patience = .infinity
    if range != nil { try trainAll() }
    shelf?.clear()
    wait(for: groups.ranges.map(\.lowerBound))
    try communicator.barrier()
    let outcomes = world.rank == 0 ? plan.members.map(outcome(of:)) : []
    let figures = try communicator.allgather(
      bytes: outcomes.map { $0.map { $0.state == .failed ? 2 : 1 } ?? 0 })[0]
    let refusals = try communicator.allgather(bytes: Array(JSONEncoder().encode(refused)))
      .flatMap { try JSONDecoder().decode([Int].self, from: Data($0)) }
    let open = zip(plan.members, figures).filter { $0.1 == 0 }.map(\.0.number)
    let isStopped = !Set(open).isSubset(of: refusals)
    let reason = try StopReason(over: communicator).words(timeLimit: options.timeLimit)
    try together(communicator, summarizedFor: 1) {
      if world.rank == 0 { try report(outcomes, stoppedBy: isStopped ? reason : nil) }
    }
    if isStopped { return .stopped }
    if !open.isEmpty { return .refused(open.count, of: figures.count) }
    return .settled(failed: figures.count { $0 == 2 }, of: figures.count)
  }

  private func outcome(of member: Member) -> MemberOutcome? {
    watch?.whereabouts.tick()
    return folder.outcome(of: member)
  }

  /// Has all ranks watched, in all that is not the training of a member, which is watched by itself.
  private func beginWatch() throws {
    guard options.hangTimeout > 0 else { return }
    watch = try RunWatch(over: world.communicator, patience: options.hangTimeout, comesAndGoes: true)
    returnToWatch()
  }

  private func returnToWatch() {
    watch?.whereabouts.enter(phase: StallReport.betweenMembers, at: MonotonicTime.nanoseconds)
  }

  /// Waits until some groups, known by their first ranks, have nothing left to do, or all are to stop.
  private func wait(for groups: [Int]) {
    GroupWaiting(for: groups, in: folder).wait { [watch, stopFile, folder] in
      watch?.whereabouts.tick()
      if StopSignal.request != nil { folder.requestStop() }
      return stopFile.isRequested
    }
  }

  private func trainAll() throws {
    var schedule = MemberSchedule(
      left, interruptions: start.interruptions, attempts: options.attempts, first: world.rank, of: groups,
      in: folder)
    var splits: [Int] = []
    while let range {
      group.communicator.patience = .infinity
      switch try next(&schedule, in: range) {
      case .train(let member):
        group.communicator.patience = usualPatience
        watch?.whereabouts.leave()
        try train(member)
        returnToWatch()
      case .split(let ranks, let count):
        let others = (1..<count).map { range.lowerBound + $0 * ranks }
        try split(range, ranks: ranks, parts: count)
        if self.range?.lowerBound == range.lowerBound {
          splits += others
          schedule.noteSplit(into: others)
        }
      case .end:
        guard group.rank == 0 else { return }
        wait(for: splits)
        return try folder.noteEnd(ofGroup: range.lowerBound)
      }
    }
  }

  /// What the first rank of the group decides; the others learn it from that.
  private func next(
    _ schedule: inout MemberSchedule, in range: Range<Int>
  ) throws -> MemberSchedule.Assignment {
    var words: [Int64] = [0, 0, 0]
    if group.rank == 0 {
      let holder =
        "\(describeRanks(Array(range))) on \(group.communicator.machine.name), process \(getpid())"
      switch try schedule.next(ranks: range.count, as: holder, isStopping: { isStopping }) {
      case .train(let member): words[0] = Int64(member.number)
      case .split(let ranks, let parts): (words[1], words[2]) = (Int64(ranks), Int64(parts))
      case .end: break
      }
    }
    let bytes = try group.communicator.allgather(bytes: words.withUnsafeBytes { Array($0) })[0]
    bytes.withUnsafeBytes { bytes in words.withUnsafeMutableBytes { $0.copyMemory(from: bytes) } }
    if words[0] > 0 { return .train(plan.members[Int(words[0]) - 1]) }
    return words[2] > 0 ? .split(ranks: Int(words[1]), parts: Int(words[2])) : .end
  }

  /// Makes this group several of so many ranks; who is left over is idle from now on.
  private func split(_ range: Range<Int>, ranks: Int, parts count: Int) throws {
    if group.rank == 0 {
      let groups = count == 1 ? "\(ranks) of them" : "\(count) groups of \(ranks)"
      log.message(
        "\(describeRanks(Array(range))) go on as \(groups): the members that are left have no room for more ranks"
      )
    }
    let index = min(group.rank / ranks, count)
    let begin = range.lowerBound + index * ranks
    parts.append(World(try group.communicator.split(color: index)))
    self.range = index < count ? begin..<begin + ranks : nil
    log = RunLog(at: group.rank == 0 ? folder.logPath : nil, silent: group.rank > 0)
  }

  /// Whether nothing new is to be begun here: by a signal, of which the others are told, or for lack of time, of which
  /// those have enough that are training already.
  private var isStopping: Bool {
    watch?.whereabouts.tick()
    if StopSignal.request != nil { folder.requestStop() }
    if hasStopped || StopSignal.request != nil || stopFile.isRequestedNow { return true }
    guard let limit = options.timeLimit, let age = ProcessAge.seconds else { return false }
    return age + longestStart + TimeLimit.floor(of: limit) >= limit
  }

  private func train(_ member: Member) throws {
    let begin = MonotonicTime.seconds
    var outcome: MemberOutcome?
    do {
      outcome = try trained(member)
    } catch let error as AgreedFailure where error.isRefusalToResume {
      // It says nothing of the member: what was trained stands, and may be gone on with another time.
      return try refuse(member, error)
    } catch let error as AgreedFailure {
      outcome = .failed("\(error)")
    } catch let error as TrainingError {
      outcome = .failed("\(error)")
    } catch let error as AveragingError {
      outcome = .failed("\(error)")
    }
    outcome?.seconds = MonotonicTime.seconds - begin
    if outcome == nil { hasStopped = true }
    // A signal is for all; by the time limit each group stops when it must.
    let isForAll = try outcome == nil && StopReason(over: group.communicator).isSignal
    guard group.rank == 0 else { return }
    if isForAll { folder.requestStop() }
    if let outcome { try folder.settle(member, outcome) } else { try folder.release(member) }
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
    let run = try TrainingRun(configuration, options: options, in: group, dataFrom: shelf)
    longestStart = max(longestStart, MonotonicTime.seconds - begin)
    if group.rank == 0 {
      let from = run.trainer.step > 0 ? " goes on from step \(run.trainer.step)" : " begins"
      log.message(
        "member \(member.name)\(from) on \(describeRanks(Array(range ?? 0..<0))): \(member.words)")
    }
    return try run.train() == .finished ? run.outcome : nil
  }

  private func refuse(_ member: Member, _ error: AgreedFailure) throws {
    guard group.rank == 0 else { return }
    refused.append(member.number)
    try folder.release(member)
    log.warning("member \(member.name) (\(member.words)) cannot be gone on with and is as it was: \(error)")
  }
}
