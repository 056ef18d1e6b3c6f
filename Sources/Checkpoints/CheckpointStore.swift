import Failpoints
import Glibc
import Synchronization
import TensorCore

/// Which checkpoints stay when a new one is safe.
public struct Retention: Sendable, Equatable {
  /// How many verified ones, at least 2: the new one and those before it.
  public var newest: Int
  /// Besides, for good: the first one at or after every so many steps.
  public var everySteps: Int?

  public init(newest: Int = 2, everySteps: Int? = nil) {
    precondition(newest >= 2, "one checkpoint alone is lost when it is damaged")
    precondition(everySteps ?? 1 > 0)
    self.newest = newest
    self.everySteps = everySteps
  }

  /// Those of some steps that stay for good: the first at or after each multiple of `everySteps`, 0 not counted.
  ///
  /// - Parameter steps: ascending.
  public func milestones(among steps: [Int]) -> Set<Int> {
    guard let everySteps else { return [] }
    var before = 0
    return Set(
      steps.filter { step in
        defer { before = step / everySteps }
        return step / everySteps > before
      })
  }
}

/// The checkpoints of a run: `step-N/` folders in one folder, each of them whole or not there.
///
/// Anybody may list, verify and read. Only the owner of the run's lock writes; opening as the owner removes
/// what a crash left behind.
public final class CheckpointStore: Sendable {
  /// What `commit` and `write` did.
  public struct Outcome: Sendable {
    public let checkpoint: Checkpoint
    /// The steps whose checkpoints were removed, newest first.
    public let pruned: [Int]
    /// Why older checkpoints could not be removed, or nil; the new one is safe all the same.
    public let pruningFailure: CheckpointError?
  }

  /// A checkpoint that cannot be used, and why.
  public struct Rejected: Sendable {
    public let step: Int
    public let reason: CheckpointError
  }

  public let folder: String
  /// What a crashed run had left and the owner's opening removed: names within `folder`.
  public let removedLeftovers: [String]

  private let lock: RunLock?
  private let retention: Retention
  private let calls: SystemCalls
  /// Steps that this process has found whole, so that pruning need not read them again.
  private let verifiedSteps = Mutex<Set<Int>>([])

  /// Opens for reading. The folder may be missing: then there are no checkpoints.
  public init(reading folder: String) {
    self.folder = folder
    lock = nil
    retention = Retention()
    calls = SystemCalls()
    removedLeftovers = []
  }

  /// Opens for writing, creates the folder if need be, and removes leftovers of crashed runs.
  ///
  /// - Parameters:
  ///   - folder: The run's `checkpoints` folder.
  ///   - lock: The lock of the run's folder, kept as long as the store.
  ///   - retention: Which checkpoints stay.
  public convenience init(
    _ folder: String, lock: RunLock, retention: Retention = Retention()
  ) throws(CheckpointError) {
    try self.init(folder, lock: lock, retention: retention, calls: .ofCheckpoints)
  }

  package init(
    _ folder: String, lock: RunLock, retention: Retention = Retention(), calls: SystemCalls
  ) throws(CheckpointError) {
    self.folder = folder
    self.lock = lock
    self.retention = retention
    self.calls = calls
    try Folders.create(folder, calls: calls)
    var removed: [String] = []
    for name in try Folders.names(in: folder) where name.hasPrefix("step-") {
      let path = folder + "/" + name
      if name.hasSuffix(".tmp") {
        try Folders.remove(path, calls: calls)
        removed.append(name)
      } else if let step = Self.step(ofReplaced: name) {
        // It was moved aside for a new one of the same step, which either came or did not.
        if Folders.exists(Self.path(folder, step)) {
          try Folders.remove(path, calls: calls)
          removed.append(name)
        } else {
          try Folders.rename(path, to: Self.path(folder, step), calls: calls)
        }
      }
    }
    if !removed.isEmpty { try Folders.sync(folder, calls: calls) }
    removedLeftovers = removed
  }

  // MARK: Reading

  /// The steps that have a checkpoint, ascending; whether they are whole is not looked at.
  public func list() throws(CheckpointError) -> [Int] {
    guard Folders.exists(folder) else { return [] }
    return try Folders.names(in: folder).compactMap(Self.step(ofName:)).sorted()
  }

  /// Reads a checkpoint through and checks it. Throws what is wrong with it.
  public func verify(_ step: Int) throws(CheckpointError) -> Checkpoint {
    let checkpoint = try Checkpoint.verified(folder: Self.path(folder, step), step: step)
    verifiedSteps.withLock { _ = $0.insert(step) }
    return checkpoint
  }

  /// The newest checkpoint that is whole, or nil, and the newer ones that are not, newest first.
  ///
  /// Throws only if the folder cannot be listed. The caller says so if anything was rejected.
  public func newestVerified() throws(CheckpointError) -> (
    checkpoint: Checkpoint?, rejected: [Rejected]
  ) {
    var rejected: [Rejected] = []
    for step in try list().reversed() {
      do {
        return (try verify(step), rejected)
      } catch {
        rejected.append(Rejected(step: step, reason: error))
      }
    }
    return (nil, rejected)
  }

  // MARK: Writing

  /// Begins a checkpoint whose files come piece by piece.
  public func begin(step: Int) throws(CheckpointError) -> CheckpointDraft {
    precondition(lock != nil, "a store that was opened for reading")
    precondition(step >= 0, "step \(step)")
    return try CheckpointDraft(
      step: step, folder: Self.path(folder, step) + ".tmp", store: self, calls: calls)
  }

  /// A file for `write`.
  public enum File {
    case bytes(name: String, [UInt8])
    case safetensors(name: String, [Safetensors.Tensor], metadata: [String: String] = [:])
  }

  /// Writes a whole checkpoint at once: `begin`, each file, `commit`.
  public func write(
    step: Int, files: [File], protecting protectedStep: Int? = nil
  ) throws(CheckpointError) -> Outcome {
    let draft = try begin(step: step)
    do {
      for file in files {
        switch file {
        case .bytes(let name, let bytes): try draft.add(name, bytes: bytes)
        case .safetensors(let name, let tensors, let metadata):
          let writer = try draft.safetensors(
            name, tensors: tensors.map(\.description), metadata: metadata)
          try writer.write(tensors)
        }
      }
      return try draft.commit(protecting: protectedStep)
    } catch {
      draft.discard()
      throw error
    }
  }

  /// Gives a verified draft its name, makes that durable, and prunes.
  func adopt(
    draft: String, step: Int, protecting protectedStep: Int?
  ) throws(CheckpointError) -> Outcome {
    let path = Self.path(folder, step)
    let replaced = path + Self.replacedSuffix
    verifiedSteps.withLock { _ = $0.remove(step) }
    let replaces = Folders.exists(path)
    if replaces { try Folders.rename(path, to: replaced, calls: calls) }
    do throws(CheckpointError) {
      if Failpoint.checkpointRename.fails() {
        throw CheckpointError.system("rename it to \(path)", at: draft, code: errno)
      }
      try Folders.rename(draft, to: path, calls: calls)
    } catch {
      if replaces { _ = calls.rename(replaced, path) }
      throw error
    }
    if Failpoint.checkpointRenamed.fails() {
      throw .system("put the folder on the disk (fsync)", at: folder, code: errno)
    }
    try Folders.sync(folder, calls: calls)
    verifiedSteps.withLock { _ = $0.insert(step) }
    let manifest = try CheckpointManifest(at: path + "/" + CheckpointManifest.fileName)
    let checkpoint = Checkpoint(step: step, folder: path, files: manifest.files)
    var pruned: [Int] = []
    do {
      if replaces { try Folders.remove(replaced, calls: calls) }
      for old in try superseded(by: step, protecting: protectedStep) {
        try prune(old)
        pruned.append(old)
      }
      return Outcome(checkpoint: checkpoint, pruned: pruned, pruningFailure: nil)
    } catch {
      return Outcome(checkpoint: checkpoint, pruned: pruned, pruningFailure: error)
    }
  }

  private func prune(_ step: Int) throws(CheckpointError) {
    let path = Self.path(folder, step)
    if Failpoint.checkpointPrune.fails() { throw .system("remove the checkpoint", at: path, code: errno) }
    // Under its temporary name first, so that a half-removed checkpoint is never taken for one.
    let doomed = path + ".pruned.tmp"
    try Folders.rename(path, to: doomed, calls: calls)
    verifiedSteps.withLock { _ = $0.remove(step) }
    var pruning = calls
    pruning.remove = { [calls] in Failpoint.checkpointPruning.fails() ? -1 : calls.remove($0) }
    try Folders.remove(doomed, calls: pruning)
  }

  /// The older steps that need not stay: those before the newest `retention.newest - 1` that verify. Later steps than
  /// the new one are of another branch of the run; they are not ours to judge.
  private func superseded(
    by step: Int, protecting protectedStep: Int?
  ) throws(CheckpointError) -> [Int] {
    var kept = 1
    var result: [Int] = []
    let steps = try list()
    let milestones = retention.milestones(among: steps)
    for old in steps.reversed() where old < step {
      if kept >= retention.newest {
        if old != protectedStep, !milestones.contains(old) { result.append(old) }
      } else if verifiedSteps.withLock({ $0.contains(old) }) || (try? verify(old)) != nil {
        kept += 1
      }
    }
    return result
  }

  // MARK: Names

  private static let replacedSuffix = ".replaced"

  private static func path(_ folder: String, _ step: Int) -> String { "\(folder)/step-\(step)" }

  private static func step(ofName name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), name == "step-\(step)", step >= 0
    else { return nil }
    return step
  }

  private static func step(ofReplaced name: String) -> Int? {
    guard name.hasSuffix(replacedSuffix) else { return nil }
    return step(ofName: String(name.dropLast(replacedSuffix.count)))
  }
}
