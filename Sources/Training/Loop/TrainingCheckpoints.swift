import Averaging
import Checkpoints
import MessagePassing
import Optimizers
import TensorCore

/// Saves a trainer's whole state and brings it back. All ranks call; rank 0 alone touches files, and
/// receives the owners' slices of the optimizer state in pieces.
struct TrainingCheckpoints {
  static let optimizerName = "optimizer.safetensors"

  let trainer: Trainer
  /// On rank 0.
  let store: CheckpointStore?

  private var layout: VectorLayout { trainer.objective.layout }
  private var transfer: StateTransfer {
    StateTransfer(trainer.communicator, slices: trainer.synchronized.sum.slices)
  }

  private var stateTensors: [(name: String, shape: Shape)] {
    trainer.synchronized.state.names.flatMap { state in
      layout.entries.map { (Self.tensorName($0, state), $0.shape) }
    }
  }

  private static func tensorName(_ entry: VectorLayout.Entry, _ state: String) -> String {
    "\(entry.name).\(state)"
  }

  /// Saves; returns on every rank why it could not, or nil. A failure leaves older checkpoints as they are.
  func save(_ state: RunState, description: ModelFile.Description, protecting best: Int?) throws -> String? {
    var failure: String?
    /// What rank 0 does with files may fail; the messages go on all the same, for the others wait for them.
    func attempt<Result>(_ body: () throws -> Result) -> Result? {
      guard store != nil, failure == nil else { return nil }
      do { return try body() } catch {
        failure = "\(error)"
        return nil
      }
    }

    let draft = attempt { try store?.begin(step: state.step) } ?? nil
    attempt {
      guard
        let writer = try draft?.safetensors(
          ModelFile.name, tensors: trainer.tensors.map(\.description), metadata: description.metadata)
      else { return }
      try writer.write(trainer.tensors)
    }
    let optimizer =
      attempt {
        try draft?.safetensors(
          Self.optimizerName, tensors: descriptions(stateTensors), metadata: ["format": "pt"])
      } ?? nil
    for (name, vector) in zip(trainer.synchronized.state.names, trainer.synchronized.state.vectors) {
      try transfer.gather(vector) { position, piece in
        attempt { try write(piece, at: position, of: name, to: optimizer) }
      }
    }
    attempt {
      try draft?.add(RunState.name, bytes: try state.encoded())
      _ = try draft?.commit(protecting: best)
    }
    draft?.discard()
    let failures = try agree(onFailureOf: failure, over: trainer.communicator)
    return failures.first?.message
  }

  private func descriptions(_ tensors: [(name: String, shape: Shape)]) -> [Safetensors.Description] {
    tensors.map { Safetensors.Description($0.name, shape: $0.shape.dimensions) }
  }

  /// The parts of a piece that belong to parameters, each with its place in its tensor.
  private func parts(of range: Range<Int>) -> [(entry: VectorLayout.Entry, range: Range<Int>)] {
    layout.entries.compactMap { entry in
      let part = entry.range.clamped(to: range)
      return part.isEmpty ? nil : (entry, part)
    }
  }

  private func write(
    _ piece: UnsafeBufferPointer<Float>, at position: Int, of state: String, to writer: SafetensorsWriter?
  ) throws(CheckpointError) {
    for (entry, part) in parts(of: position..<position + piece.count) {
      let local = part.lowerBound - position..<part.upperBound - position
      try writer?.write(
        UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: piece[local])),
        ofTensor: Self.tensorName(entry, state),
        at: (part.lowerBound - entry.offset) * MemoryLayout<Float>.stride)
    }
  }

  /// Checks on rank 0 that a checkpoint belongs to this training; call before `load`.
  func check(_ checkpoint: Checkpoint) throws(CheckpointError) {
    try ModelFile.check(
      checkpoint.safetensors(ModelFile.name), has: layout.allEntries.map { ($0.name, $0.shape) })
    try ModelFile.check(checkpoint.safetensors(Self.optimizerName), has: stateTensors)
  }

  /// Brings parameters and optimizer state back, on all ranks; `checkpoint` is given on rank 0.
  func load(_ checkpoint: Checkpoint?) throws {
    // Ranks of one machine share the parameters: no other may still be reading them.
    try trainer.synchronized.sum.settle()
    let model = try checkpoint?.safetensors(ModelFile.name)
    try StateTransfer(trainer.communicator, slices: Slices(whole: layout)).scatter(into: trainer.parameters) {
      try read(into: $1, at: $0, from: model) { $0.name }
    }
    let buffers = trainer.parameters.buffer(layout.count..<layout.vectorCount)
    for buffer in layout.buffers {
      try model?.floats(buffer.entry.name, into: trainer.parameters.buffer(buffer.entry.range))
    }
    try trainer.communicator.broadcast(UnsafeMutableRawBufferPointer(buffers), from: 0)
    let optimizer = try checkpoint?.safetensors(Self.optimizerName)
    for (state, vector) in zip(trainer.synchronized.state.names, trainer.synchronized.state.vectors) {
      try transfer.scatter(into: vector) {
        try read(into: $1, at: $0, from: optimizer) { Self.tensorName($0, state) }
      }
    }
  }

  private func read(
    into piece: UnsafeMutableBufferPointer<Float>, at position: Int, from file: SafetensorsFile?,
    name: (VectorLayout.Entry) -> String
  ) throws(CheckpointError) {
    piece.update(repeating: 0)
    for (entry, part) in parts(of: position..<position + piece.count) {
      let local = part.lowerBound - position..<part.upperBound - position
      try file?.read(
        name(entry), at: (part.lowerBound - entry.offset) * MemoryLayout<Float>.stride,
        into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: piece[local])))
    }
  }
}
