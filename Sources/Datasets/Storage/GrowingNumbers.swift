import Foundation

/// Numbers that come one by one, nobody knows how many, and then stay where they are.
///
/// An array that grows is copied, and for a while its numbers are in memory twice. Here the system moves the pages of
/// many numbers, and pages that nothing was written to do not count.
final class GrowingNumbers<Number: BitwiseCopyable & Sendable> {
  private(set) var count = 0
  private var capacity = 0
  private var memory: UnsafeMutablePointer<Number>?

  init() {}

  /// `count` zeros, which take no memory before something else is written.
  init(zeros count: Int) {
    memory = calloc(max(count, 1), MemoryLayout<Number>.stride)?.assumingMemoryBound(to: Number.self)
    precondition(memory != nil, "no memory for \(count) numbers")
    (self.count, capacity) = (count, count)
  }

  deinit { free(memory) }

  @inline(__always) func append(_ number: Number) {
    if count == capacity { grow() }
    (memory.unsafelyUnwrapped + count).initialize(to: number)
    count += 1
  }

  private func grow() {
    capacity = max(1024, 2 * capacity)
    let grown = realloc(memory, capacity * MemoryLayout<Number>.stride)
    precondition(grown != nil, "no memory for \(capacity) numbers")
    memory = grown?.assumingMemoryBound(to: Number.self)
  }

  /// Replaces each number.
  func replaceAll(_ other: (Number) -> Number) {
    guard let memory else { return }
    for index in 0..<count { memory[index] = other(memory[index]) }
  }

  /// The numbers, which must not change any more.
  var stored: StoredNumbers<Number> {
    StoredNumbers(UnsafeBufferPointer(start: memory, count: count), keptBy: self)
  }
}
