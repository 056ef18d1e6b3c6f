import Checkpoints
import MessagePassing
import TensorCore

/// Saving and loading a trainer's parameters, for programs that define their own models.
extension Trainer {
  /// The parameters as they are now, by PyTorch's names.
  package var tensors: [Safetensors.Tensor] {
    stepCount.base.pointee = Int64(step)
    return ModelFile.tensors(objective.layout, parameters: parameters, stepCount: stepCount)
  }

  /// The digest of all parameters: equal on all ranks, and for equal parameters only.
  public var digest: Digest128 { Digest128(ofTensors: tensors) }

  /// Writes the parameters to a safetensors file, whole or not at all; rank 0 writes. All ranks call it, and
  /// all throw if it fails.
  public func save(to path: String) throws {
    try together(communicator) {
      guard communicator.rank == 0 else { return }
      try Safetensors.write(tensors, metadata: ["format": "pt"], to: path)
    }
  }

  /// Replaces the parameters by those of a safetensors file, which rank 0 reads; the state of the optimizer
  /// stays. All ranks call it. A file of another model is refused, and nothing changes.
  public func load(from path: String) throws {
    let layout = objective.layout
    // Ranks of one machine share the parameters: no other may still be reading them.
    try synchronized.sum.settle()
    try together(communicator) {
      guard communicator.rank == 0 else { return }
      let file = try SafetensorsFile(path)
      try ModelFile.check(file, has: layout.allEntries.map { ($0.name, $0.shape) })
      for entry in layout.allEntries { try file.floats(entry.name, into: parameters.buffer(entry.range)) }
    }
    try communicator.broadcast(UnsafeMutableRawBufferPointer(parameters.buffer), from: 0)
  }
}
