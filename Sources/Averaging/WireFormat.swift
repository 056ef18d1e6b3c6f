import CKernels
import MessagePassing
import TensorCore

/// How the numbers of a step travel between machines.
///
/// With `bfloat16` everything that could travel is rounded to it, to nearest, ties to even, whether it travels or not: so the
/// bits still do not depend on who computes what. These are each shard's gradients, every sum of some shards' gradients but
/// that of all, and the new parameters, of which each owner keeps its slice in float32 besides. Additions are made in
/// float32. The riders stay as they are.
public enum WireFormat: String, Sendable, CaseIterable {
  /// As they are computed: 4 bytes a number.
  case float32
  /// The upper half of a float32: its range, and 8 bits of precision.
  case bfloat16

  /// y = x as it travels.
  @inline(__always)
  func round(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    switch self {
    case .float32: if UnsafePointer(y) != x { y.update(from: x, count: count) }
    case .bfloat16: lockstep_round_bfloat16(x, y, count)
    }
  }

  /// y = a + b as it travels.
  @inline(__always)
  func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    switch self {
    case .float32: lockstep_add(a, b, y, count)
    case .bfloat16: lockstep_add_bfloat16(a, b, y, count)
    }
  }

  /// Floats of memory that so many numbers take on their way: an even number of bfloat16 values are half as many floats.
  func length(of count: Int) -> Int { self == .float32 ? count : (count + 1) / 2 }
}

/// Numbers that travel in another form than they are computed with: where they are as floats, and where as they travel.
struct PackedNumbers {
  let values: UnsafeMutablePointer<Float>
  let count: Int
  let packed: UnsafeMutablePointer<Float>

  /// The message that carries them.
  func message(with peer: Int) -> Message {
    Message(
      peer: peer, memory: .init(start: packed, count: WireFormat.bfloat16.length(of: count)))
  }

  func pack() { lockstep_pack_bfloat16(values, packed, count) }

  func unpack() { lockstep_unpack_bfloat16(packed, values, count) }
}
