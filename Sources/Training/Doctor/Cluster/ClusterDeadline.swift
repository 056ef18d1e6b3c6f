import Foundation
import Synchronization

/// Ends a process that waits for others too long, and says what for: a library that looks for ranks which cannot be
/// reached does so for ever, in calls that do not return.
package final class ClusterDeadline: Sendable {
  private let stage = Mutex("joining the other ranks (MPI_Init)")
  private let isOver = Atomic(false)

  /// - Parameters:
  ///   - seconds: from now.
  ///   - expired: is told what was waited for, on another thread; the process ends behind it, with exit code 1.
  package init(seconds: Double, expired: @escaping @Sendable (String) -> Void) {
    let thread = Thread { [self] in
      let end = MonotonicTime.seconds + seconds
      while MonotonicTime.seconds < end {
        usleep(50_000)
        if isOver.load(ordering: .relaxed) { return }
      }
      expired(stage.withLock { $0 })
      _exit(1)
    }
    thread.start()
  }

  package func enter(_ stage: String) { self.stage.withLock { $0 = stage } }

  package func cancel() { isOver.store(true, ordering: .relaxed) }
}
