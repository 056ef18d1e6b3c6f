import Averaging
import Checkpoints
import MessagePassing
import Optimizers
import TensorCore

/// Saves a trainer's whole state while it goes on training, and brings it back. All ranks call; rank 0 alone touches
/// files, on a thread of its own.
///
/// At a step's end each owner copies its slices of the optimizer's state, and rank 0 the parameters as well; the slices
/// come to rank 0 by `StateStream`, from which a `CheckpointWriter` takes them. The copies are allocated at the first
/// save. One save is under way at a time.
final class TrainingCheckpoints {
  let trainer: Trainer
  /// On rank 0.
  let store: CheckpointStore?

  /// The step that is being saved, on all ranks alike; nil: what became of the last one is known to all.
  private(set) var stepUnderWay: Int?
  private var copies: Copies?
  private var writer: CheckpointWriter?
  private var isReported = true
  private var foregroundSeconds = 0.0

  private final class Copies {
    let stream: StateStream
    /// Parameters and buffers; on rank 0.
    let parameters: Arena<Float>
    let stepCount = Arena<Int64>(count: 1)

    init(_ trainer: Trainer) {
      stream = StateStream(trainer.communicator, vectors: trainer.stateVectors)
      parameters = Arena(count: trainer.communicator.rank == 0 ? trainer.parameters.count : 0)
    }
  }

  init(trainer: Trainer, store: CheckpointStore?) {
    self.trainer = trainer
    self.store = store
  }

  deinit { close() }

  private var layout: VectorLayout { trainer.objective.layout }

  // MARK: - Saving

  /// Takes the state as it is now, at a step's end, and has it saved. What was under way must be settled.
  func begin(_ state: RunState, description: ModelFile.Description, protecting best: Int?) throws {
    precondition(stepUnderWay == nil, "two saves at a time")
    stepUnderWay = state.step
    isReported = false
    foregroundSeconds = 0
    try inForeground {
      let copies = copies ?? Copies(trainer)
      self.copies = copies
      copies.stream.begin()
      if let store {
        copies.parameters.base.update(from: trainer.parameters.base, count: copies.parameters.count)
        copies.stepCount.base.pointee = Int64(state.step)
        writer = CheckpointWriter(
          CheckpointWriter.Content(
            state: state, description: description, protectedStep: best, layout: layout,
            parameters: copies.parameters, stepCount: copies.stepCount,
            vectors: trainer.stateVectors, stream: copies.stream), in: store)
      }
      try copies.stream.advance()
    }
  }

  /// Whether slices are still to come to rank 0; the same on all ranks.
  var isTravelling: Bool { stepUnderWay != nil && copies?.stream.isComplete == false }

  /// At the end of every step in which nothing is begun: lets what is under way go on.
  func advance() throws {
    guard isTravelling, let copies else { return }
    try inForeground { try copies.stream.advance() }
  }

  /// On rank 0: what became of the save under way as soon as that is known, once.
  func news() -> SaveOutcome? {
    guard !isReported, var outcome = writer?.result else { return nil }
    isReported = true
    outcome.cost.foregroundSeconds = foregroundSeconds
    return outcome
  }

  /// Waits until the save under way is done and tells all ranks why it failed, if it did; nil where nothing is under way.
  /// `news` has the rest.
  func settle() throws -> (step: Int, failure: String?)? {
    guard let step = stepUnderWay else { return nil }
    let outcome = try inForeground { () throws -> SaveOutcome? in
      try copies?.stream.finish()
      return writer?.wait()
    }
    let failures = try agree(onFailureOf: outcome?.failure, over: trainer.communicator)
    stepUnderWay = nil
    return (step, failures.first?.message)
  }

  /// Where the training ends with an error: a save that has all it needs is finished, another is given up.
  func close() {
    guard let writer else { return }
    if let stream = copies?.stream, !stream.isComplete { stream.abandon() }
    _ = writer.wait()
  }

  private func inForeground<Result>(_ body: () throws -> Result) rethrows -> Result {
    let begin = MonotonicTime.seconds
    defer { foregroundSeconds += MonotonicTime.seconds - begin }
    return try body()
  }

  // MARK: - Loading

  /// Checks on rank 0 that a checkpoint belongs to this training; call before `load`.
  func check(_ checkpoint: Checkpoint) throws(CheckpointError) {
    try ModelFile.check(
      checkpoint.safetensors(ModelFile.name), has: layout.allEntries.map { ($0.name, $0.shape) })
    let state = trainer.stateVectors.flatMap { vector in
      StateTensor.all(of: vector, layout).map { ($0.name, $0.entry.shape) }
    }
    try ModelFile.check(checkpoint.safetensors(CheckpointWriter.optimizerName), has: state)
  }

  /// Brings parameters and optimizer state back, on all ranks; `checkpoint` is given on rank 0.
  func load(_ checkpoint: Checkpoint?) throws {
    // Ranks of one machine share the parameters: no other may still be reading them.
    try trainer.synchronized.sum.settle()
    let model = try checkpoint?.safetensors(ModelFile.name)
    let parameters = StateVector(name: "", slices: [0..<layout.count], own: trainer.parameters)
    try scatter(parameters, from: model) { $0.entry.name }
    let buffers = trainer.parameters.buffer(layout.count..<layout.vectorCount)
    for buffer in layout.buffers {
      try model?.floats(buffer.entry.name, into: trainer.parameters.buffer(buffer.entry.range))
    }
    try trainer.communicator.broadcast(UnsafeMutableRawBufferPointer(buffers), from: 0)
    let optimizer = try checkpoint?.safetensors(CheckpointWriter.optimizerName)
    for vector in trainer.stateVectors {
      try scatter(vector, from: optimizer) { $0.name }
    }
    try trainer.periodic?.adoptLoadedValues()
  }

  /// Reads a vector on rank 0 and brings every rank its part.
  private func scatter(
    _ vector: StateVector, from file: SafetensorsFile?, name: (StateTensor) -> String
  ) throws {
    let transfer = StateTransfer(trainer.communicator, slices: vector.slices)
    try transfer.scatter(into: vector.own) { position, piece in
      piece.update(repeating: 0)
      for part in StateTensor.parts(of: position..<position + piece.count, vector, layout) {
        try file?.read(
          name(part.tensor), at: part.offset * MemoryLayout<Float>.stride,
          into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: piece[part.local])))
      }
    }
  }
}
