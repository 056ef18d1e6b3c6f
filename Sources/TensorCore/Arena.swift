import Foundation

/// One aligned piece of memory, all of one role: parameters, gradients, activations, inputs.
///
/// A tensor is a slot in an arena, so that saving, zeroing, averaging or digesting all tensors of a role
/// is one call on one range. Memory starts as zeros and is never resized.
public final class Arena<Scalar: BitwiseCopyable & AdditiveArithmetic> {
  package let base: UnsafeMutablePointer<Scalar>
  /// The number of elements.
  public let count: Int

  /// Who frees the memory, where this does not.
  private let keeper: AnyObject?

  /// A cache line, and the widest vector.
  package static var alignment: Int { 64 }

  /// What the systems here call a huge page, in bytes.
  private static var hugePage: Int { 2 << 20 }

  /// Fewer, larger pages: products walk through memory in steps of rows, and finding the pages of that costs a
  /// transformer's step 5 %. A system that has none to give uses small ones.
  private static func askForHugePages(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
    #if os(Linux)
      _ = madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE)
    #endif
  }

  public init(count: Int) {
    precondition(count >= 0)
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Scalar>.stride
    let isLarge = bytes >= 2 * Self.hugePage
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.hugePage : Self.alignment)
    if isLarge { Self.askForHugePages(memory, bytes) }
    // The zero of every kind of number is zeros; filling bytes is a loop that the compiler knows.
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    base = memory.bindMemory(to: Scalar.self, capacity: max(count, 1))
    keeper = nil
  }

  /// Memory within somebody else's, as a window that processes share: aligned, and kept by `keeper`.
  package init(at memory: UnsafeMutableRawPointer, count: Int, keptBy keeper: AnyObject) {
    precondition(count >= 0 && Int(bitPattern: memory) % Self.alignment == 0)
    self.count = count
    base = memory.bindMemory(to: Scalar.self, capacity: max(count, 1))
    self.keeper = keeper
  }

  deinit { if keeper == nil { UnsafeMutableRawPointer(base).deallocate() } }

  package var buffer: UnsafeMutableBufferPointer<Scalar> { .init(start: base, count: count) }

  package func buffer(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Scalar> {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return .init(start: base + range.lowerBound, count: range.count)
  }
}

extension Int {
  /// This count, rounded up so that what follows starts on a vector's boundary.
  package var alignedToVector: Int { (self + 15) & ~15 }
}
