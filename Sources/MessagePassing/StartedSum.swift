/// A sum between `startAllreduce` and `finishAllreduces`, on one rank of an in-process world.
///
/// MPI leaves open what the memory of a sum under way holds. Here it holds a pattern that is no number, so
/// that code that reads it early goes wrong at once, and code that writes to it is found out.
struct StartedSum {
  /// Where the sum goes.
  let memory: UnsafeMutableBufferPointer<Float>
  /// What this rank adds to it.
  let values: [Float]

  private static let pattern: UInt32 = 0x7FC0_DEAD

  init(of memory: UnsafeMutableBufferPointer<Float>) {
    self.memory = memory
    values = Array(memory)
    memory.update(repeating: Float(bitPattern: Self.pattern))
  }

  var firstTouchedElement: Int? { memory.firstIndex { $0.bitPattern != Self.pattern } }

  func overlaps(_ other: UnsafeMutableBufferPointer<Float>) -> Bool { overlap(memory, other) }
}
