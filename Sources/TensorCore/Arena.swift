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

  public init(count: Int) {
    precondition(count >= 0)
    self.count = count
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<Scalar>.stride, alignment: Self.alignment)
    base = memory.bindMemory(to: Scalar.self, capacity: max(count, 1))
    base.initialize(repeating: .zero, count: max(count, 1))
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
