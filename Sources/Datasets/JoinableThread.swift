import Foundation
import TensorCore

/// A thread that runs one closure and can be waited for. Signals from outside, such as a batch system's,
/// are left to the threads that were there before.
package final class JoinableThread {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private var thread: pthread_t?

  /// Starts the thread; throws where the system has none to give.
  ///
  /// - Parameter name: what an error calls it.
  package init(
    _ name: String = "the data's thread", _ run: @escaping @Sendable () -> Void
  ) throws(DatasetError) {
    let body = Unmanaged.passRetained(Body(run))
    // A thread begins with its maker's mask. What a crash raises must stay open.
    var before = sigset_t()
    var mask = sigset_t()
    sigfillset(&mask)
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { sigdelset(&mask, signal) }
    pthread_sigmask(SIG_SETMASK, &mask, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    guard failure == 0 else {
      body.release()
      throw DatasetError(
        at: name, expected: "a new thread", found: String(cString: strerror(failure)),
        remedy: "Raise the limit on processes (ulimit -u), or use fewer ranks on this machine.")
    }
    self.thread = thread
  }

  /// Returns when the closure has returned.
  package func join() {
    guard let thread else { return }
    pthread_join(thread, nil)
    self.thread = nil
  }

  deinit { join() }
}
