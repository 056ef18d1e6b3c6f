import Failpoints
import Glibc
import Synchronization
import TensorCore

/// A checkpoint in the making: files in `step-N.tmp/`, which becomes `step-N/` when all of it is on the disk.
///
/// Whatever fails, the draft is removed and older checkpoints stand; so it is if it is forgotten.
/// Safe to use from any thread, by one at a time.
public final class CheckpointDraft: Sendable {
  public let step: Int
  private let store: CheckpointStore
  private let folder: String
  private let calls: SystemCalls
  private let state = Mutex(State())

  private struct State {
    enum Phase { case open, committed, discarded }
    var phase = Phase.open
    var files: [Checkpoint.File] = []
    var writers: [(name: String, writer: SafetensorsWriter)] = []
  }

  init(
    step: Int, folder: String, store: CheckpointStore, calls: SystemCalls
  ) throws(CheckpointError) {
    self.step = step
    self.store = store
    self.folder = folder
    self.calls = calls
    // A draft that could not be removed when it failed.
    if Folders.exists(folder) { try Folders.remove(folder, calls: calls) }
    try Folders.create(folder, calls: calls)
    if Failpoint.checkpointBegin.fails() {
      let error = CheckpointError.system("begin the checkpoint", at: folder, code: errno)
      try? Folders.remove(folder, calls: calls)
      throw error
    }
  }

  deinit { discard() }

  /// Begins a safetensors file; the writer takes its data piece by piece, until `commit`.
  ///
  /// - Parameter order: of the tensors' data in the file; what comes in this order is digested on its way.
  public func safetensors(
    _ name: String, tensors: [Safetensors.Description], metadata: [String: String] = [:],
    order: Safetensors.Order = .byName
  ) throws(CheckpointError) -> SafetensorsWriter {
    try begin(name)
    return try discardingOnFailure { () throws(CheckpointError) in
      let writer = try SafetensorsWriter(
        folder + "/" + name, tensors: tensors, metadata: metadata, order: order, replacing: false,
        pastCache: true, calls: calls)
      state.withLock { $0.writers.append((name, writer)) }
      return writer
    }
  }

  /// Adds a small file.
  public func add(_ name: String, bytes: [UInt8]) throws(CheckpointError) {
    try begin(name)
    try discardingOnFailure { () throws(CheckpointError) in
      var file = try OutputFile(folder + "/" + name, calls: calls)
      try file.write(bytes)
      try file.finish()
      let entry = Checkpoint.File(name: name, size: bytes.count, digest: Digest128(of: bytes))
      state.withLock { $0.files.append(entry) }
    }
  }

  /// Makes it a checkpoint: finishes the files, writes the manifest, puts all of it on the disk, verifies it,
  /// gives it its name, and then prunes older ones.
  ///
  /// - Parameter protectedStep: A step whose checkpoint is not pruned, such as the best so far.
  public func commit(
    protecting protectedStep: Int? = nil
  ) throws(CheckpointError) -> CheckpointStore.Outcome {
    try discardingOnFailure { () throws(CheckpointError) in
      let (isOpen, small, writers) = state.withLock { ($0.phase == .open, $0.files, $0.writers) }
      guard isOpen else { throw closed }
      var files = small
      for (name, writer) in writers {
        let summary = try writer.finish()
        files.append(Checkpoint.File(name: name, size: summary.size, digest: summary.digest))
      }
      var manifest = try OutputFile(folder + "/" + CheckpointManifest.fileName, calls: calls)
      try manifest.write(CheckpointManifest(step: step, files: files).encoded())
      try manifest.finish()
      try Folders.sync(folder, calls: calls)
      _ = try Checkpoint.verified(folder: folder, step: step, pastCache: true)
      let outcome = try store.adopt(draft: folder, step: step, protecting: protectedStep)
      state.withLock { $0.phase = .committed }
      return outcome
    }
  }

  /// Removes the draft. Nothing happens after `commit`, or a second time.
  public func discard() {
    let remove = state.withLock { state in
      defer { if state.phase == .open { state.phase = .discarded } }
      return state.phase == .open
    }
    // What stays behind here is removed at the next opening.
    if remove { try? Folders.remove(folder, calls: calls) }
  }

  private var closed: CheckpointError {
    CheckpointError(
      at: folder, expected: "a draft that is still open", found: "one that was committed or discarded",
      remedy: "Begin another one.")
  }

  private func begin(_ name: String) throws(CheckpointError) {
    let (isOpen, isTaken) = state.withLock { state in
      (
        state.phase == .open,
        state.files.contains { $0.name == name } || state.writers.contains { $0.name == name }
      )
    }
    precondition(CheckpointManifest.isPlainFileName(name), "\(name) is no plain file name")
    precondition(!isTaken, "\(name) is there already")
    guard isOpen else { throw closed }
  }

  private func discardingOnFailure<Result>(
    _ body: () throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    do {
      return try body()
    } catch {
      discard()
      throw error
    }
  }
}
