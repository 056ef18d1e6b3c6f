import Foundation
import Synchronization

/// SIGTERM, SIGINT and SIGUSR1, as a wish to stop after the step under way: the ranks agree on the step
/// through a rider, save, and end. A second signal ends the process at once.
public enum StopSignal {
  private static let received = Atomic<Int32>(0)

  /// The first signal that came, or nil.
  public static var request: Int32? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : signal
  }

  /// Takes the signals over. Others are left alone.
  public static func install() {
    for number in [SIGTERM, SIGINT, SIGUSR1] {
      _ = signal(number) { number in
        let (isFirst, _) = StopSignal.received.compareExchange(
          expected: 0, desired: number, ordering: .relaxed)
        // Only what a signal handler may call.
        if !isFirst { _exit(128 + number) }
      }
    }
  }
}
