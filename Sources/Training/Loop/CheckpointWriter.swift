import Averaging
import CProcesses
import Checkpoints
import Datasets
import Foundation
import Synchronization
import TensorCore

/// What a checkpoint cost on rank 0.
public struct CheckpointCost: Sendable, Equatable {
  /// Of all its files but the manifest.
  public var bytes = 0
  /// In which training stood still: copying, messages, waiting for the checkpoint before.
  public var foregroundSeconds = 0.0
  /// From the copy until it was verified and safe and older ones were pruned, while training went on.
  public var backgroundSeconds = 0.0
  /// Of these, those in which the writer had a processor.
  public var processorSeconds = 0.0

  public init() {}
}

/// What became of a save, as rank 0 knows it.
struct SaveOutcome: Sendable {
  let step: Int
  /// Why there is no checkpoint; then older ones are as they were.
  var failure: String?
  /// Why older checkpoints could not be removed.
  var pruningFailure: String?
  var cost = CheckpointCost()
}

/// Writes one checkpoint on a thread of its own, on rank 0, from copies that nobody touches meanwhile: hashing, writing,
/// syncing, verifying, renaming, pruning. It never calls MPI.
final class CheckpointWriter: @unchecked Sendable {
  static let optimizerName = "optimizer.safetensors"

  /// What is written.
  struct Content {
    let state: RunState
    let description: ModelFile.Description
    /// A checkpoint that is not pruned.
    let protectedStep: Int?
    let layout: VectorLayout
    /// As they were at the step's end.
    let parameters: Arena<Float>
    let stepCount: Arena<Int64>
    let vectors: [StateVector]
    let stream: StateStream
  }

  /// A tenth of a processor that somebody else wants, and all of one that nobody does.
  private static let niceness: Int32 = 10

  private let store: CheckpointStore
  private let content: Content
  private let outcome: Mutex<SaveOutcome?> = Mutex(nil)
  private var thread: JoinableThread?

  /// Starts the thread. Where the system has none to give, that is the outcome.
  init(_ content: Content, in store: CheckpointStore) {
    self.content = content
    self.store = store
    do {
      thread = try JoinableThread("the checkpoints' thread") { [self] in write() }
    } catch {
      content.stream.abandon()
      outcome.withLock { $0 = SaveOutcome(step: content.state.step, failure: "\(error)") }
    }
  }

  /// What came of it, once it is done.
  var result: SaveOutcome? { outcome.withLock { $0 } }

  /// Returns when it is done. Whatever it needs must have come, or have been given up.
  func wait() -> SaveOutcome {
    thread?.join()
    guard let result else { preconditionFailure("a writer ended without a word") }
    return result
  }

  // MARK: - Its thread

  private func write() {
    Self.makeWay()
    let begin = MonotonicTime.seconds
    var result = SaveOutcome(step: content.state.step)
    do {
      let written = try writeFiles()
      result.cost.bytes = written.checkpoint.files.reduce(0) { $0 + $1.size }
      result.pruningFailure = written.pruningFailure.map { "\($0)" }
    } catch {
      content.stream.abandon()
      result.failure = "\(error)"
    }
    result.cost.backgroundSeconds = MonotonicTime.seconds - begin
    var time = timespec()
    if clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 {
      result.cost.processorSeconds = Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    outcome.withLock { [result] in $0 = result }
  }

  /// Whoever trains goes first. Both are of the calling thread alone, as Linux has it.
  private static func makeWay() {
    let thread = __priority_which_t(PRIO_PROCESS.rawValue)
    setpriority(thread, 0, getpriority(thread, 0) + niceness)
    // mpirun binds a rank to a core, and with it every thread that it starts; another core may be idle.
    lockstep_run_anywhere()
  }

  private func writeFiles() throws -> CheckpointStore.Outcome {
    let draft = try store.begin(step: content.state.step)
    defer { draft.discard() }
    // First what lies in a ring that others wait for.
    let optimizer = try draft.safetensors(
      Self.optimizerName,
      tensors: content.vectors.flatMap { StateTensor.all(of: $0, content.layout) }.map {
        Safetensors.Description($0.name, shape: $0.entry.shape.dimensions)
      },
      metadata: ["format": "pt"], order: .asGiven)
    let isWhole = try content.stream.forEachPiece { piece, memory throws(CheckpointError) in
      for part in StateTensor.parts(of: piece.range, content.vectors[piece.vector], content.layout) {
        try optimizer.write(
          UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory[part.local])),
          ofTensor: part.tensor.name, at: part.offset * MemoryLayout<Float>.stride)
      }
    }
    guard isWhole else {
      throw CheckpointError(
        at: store.folder, expected: "the optimizer's state from all ranks", found: "an end of the training",
        remedy: "Go on from the checkpoint before with --resume.")
    }
    let tensors = ModelFile.tensors(
      content.layout, parameters: content.parameters, stepCount: content.stepCount)
    let model = try draft.safetensors(
      ModelFile.name, tensors: tensors.map(\.description), metadata: content.description.metadata)
    try model.write(tensors)
    try draft.add(RunState.name, bytes: try content.state.encoded())
    return try draft.commit(protecting: content.protectedStep)
  }
}
