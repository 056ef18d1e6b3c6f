/// Work on parts of a range, each part on a thread of its own.
enum Parallel {
  /// Calls `body` with parts of 0..<count that together make it up, on up to `threads` threads, and returns
  /// when all calls have. A part has at least `least` numbers, where there are as many. A thread that the
  /// system refuses is done without.
  static func run(
    count: Int, threads: Int, least: Int = 1, _ body: @escaping @Sendable (Range<Int>) -> Void
  ) {
    precondition(count >= 0 && threads > 0 && least > 0, "\(count) numbers on \(threads) threads")
    let parts = max(1, min(threads, count / least))
    @Sendable func range(_ part: Int) -> Range<Int> { count * part / parts..<count * (part + 1) / parts }
    let others = (1..<parts).map { part in
      let thread = try? JoinableThread { body(range(part)) }
      if thread == nil { body(range(part)) }
      return thread
    }
    body(range(0))
    for thread in others { thread?.join() }
  }
}

/// Memory whose parts different threads write.
struct SharedMemory<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
}
