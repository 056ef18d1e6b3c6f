import Foundation
import Synchronization

/// SIGTERM, SIGINT and SIGUSR1, as a wish to stop after the step under way: the ranks agree on the step
/// through a rider, save, and end. A second signal ends the process at once.
public enum StopSignal {
  private static let received = Atomic<Int32>(0)
  /// The exit code that is settled, and 256 to tell it from none.
  private static let settled = Atomic<Int32>(0)

  /// The first signal that came, or nil.
  public static var request: Int32? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : signal
  }

  /// Says that everything is done and saved, and how the process will end: a signal from now on ends it at once, with
  /// that code.
  ///
  /// Launchers signal the ranks that are still there as soon as the first has ended with a code other than 0 (`srun
  /// --kill-on-bad-exit`), and take the highest code for that of the job: a rank that was late in leaving would make
  /// a failure of a stop.
  public static func settle(exitCode: Int32) { settled.store(256 | exitCode, ordering: .relaxed) }

  /// Takes the signals over. Others are left alone.
  ///
  /// The handler has a stack of its own: generated kernels of oneDNN's matrix products have their stack pointer in memory
  /// of theirs (seen in a third of the interruptions of a language model's step), below which a signal's frame would
  /// overwrite the heap.
  public static func install() {
    let stackBytes = 256 << 10
    var stack = stack_t()
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stackBytes, alignment: 4096)
    stack.ss_size = stackBytes
    sigaltstack(&stack, nil)
    for number in [SIGTERM, SIGINT, SIGUSR1] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let (isFirst, _) = StopSignal.received.compareExchange(
          expected: 0, desired: number, ordering: .relaxed)
        // Only what a signal handler may call.
        let settled = StopSignal.settled.load(ordering: .relaxed)
        if settled != 0 { _exit(settled & 255) }
        if !isFirst { _exit(128 + number) }
      }
      action.sa_flags = SA_ONSTACK | SA_RESTART
      sigaction(number, &action, nil)
    }
  }
}
