import Foundation

/// A place in the program where the environment can have it fail, so that tests see what becomes of a run.
///
/// `LOCKSTEP_FAILPOINTS` lists what is to happen, separated by semicolons, each as `place:action` or
/// `place:action:condition,…`, for example `step:crash:step=20,rank=1;checkpoint.fsync:error:times=2`. Conditions are
/// `rank`, `step`, `restart` (how often `lockstep launch` had begun the run again), `after` (comings that are let pass
/// first) and `times` (how often it happens; once unless given). What happens is told on standard error beforehand, by
/// which a test knows that it did.
///
/// Without the variable a failpoint costs one comparison.
public enum Failpoint: String, CaseIterable, Sendable {
  /// When data have been read that the ranks of a machine are to share.
  case dataShare = "data.share"
  /// Before a step's gradients are computed.
  case step
  /// After an instruction of a pass.
  case instruction
  /// When a shard's gradients have been computed and not yet been averaged.
  case gradients
  /// While the ranks average.
  case averaging
  /// When a step has been taken: what ranks hold each for themselves can be spoiled there.
  case replica
  /// When a checkpoint's draft folder is there.
  case checkpointBegin = "checkpoint.begin"
  /// At each piece written into a file of a checkpoint.
  case checkpointWrite = "checkpoint.write"
  /// Before a file or a folder of a checkpoint is put on the disk.
  case checkpointSync = "checkpoint.fsync"
  /// When a checkpoint is complete and has yet to get its name.
  case checkpointRename = "checkpoint.rename"
  /// When a checkpoint has its name and that is not yet on the disk.
  case checkpointRenamed = "checkpoint.renamed"
  /// Before an old checkpoint is removed.
  case checkpointPrune = "checkpoint.prune"
  /// At each file of an old checkpoint that is removed.
  case checkpointPruning = "checkpoint.pruning"

  /// When all is done and told, before the process leaves the others.
  case leave

  /// What happens at a place.
  public enum Action: String, CaseIterable, Sendable {
    /// The process is killed as by `kill -9`.
    case crash
    /// The thread waits for ever.
    case hang
    /// The whole process is stopped as by SIGSTOP.
    case stop
    /// A tenth of a second is lost.
    case slow
    /// Whoever asked is to fail: as if the system call had not worked.
    case error
    /// Whoever asked is to spoil a number.
    case nan
  }

  /// Says that the program has come here. Crashes, hangs and waits happen before it returns; the rest is returned for
  /// the caller to do.
  @discardableResult
  public func reach() -> Action? {
    guard FailpointPlan.isActive else { return nil }
    let (rank, step) = (
      FailpointPlan.rank.load(ordering: .relaxed), FailpointPlan.step.load(ordering: .relaxed)
    )
    guard let action = FailpointPlan.shared.action(at: self, rank: rank, step: step) else { return nil }
    let line = "failpoint \(rawValue): \(action.rawValue) in rank \(rank) at step \(step)\n"
    FileHandle.standardError.write(Data(line.utf8))
    switch action {
    case .crash: kill(getpid(), SIGKILL)
    case .stop: kill(getpid(), SIGSTOP)
    case .hang: while true { sleep(3600) }
    case .slow: usleep(100_000)
    case .error, .nan: return action
    }
    return nil
  }

  /// Whether the environment asks for anything.
  public static var areActive: Bool { FailpointPlan.isActive }

  /// Says which rank this process is.
  public static func here(rank: Int) { FailpointPlan.rank.store(rank, ordering: .relaxed) }

  /// Says which step is under way, counted from 1.
  public static func here(step: Int) { FailpointPlan.step.store(step, ordering: .relaxed) }
}
