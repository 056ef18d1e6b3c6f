import Foundation
import Synchronization

/// Set when a rank stands still and the job is to end. A thread that watches may not call MPI, so it leaves that to the
/// main thread where that one is waiting for others, and ends the process where it does not come round.
package enum Alarm {
  private static let code = Atomic<Int32>(0)

  package static func raise(exitCode: Int32) { code.store(exitCode, ordering: .relaxed) }

  /// The exit code that the job is to end with, once the alarm is raised.
  static var exitCode: Int32? {
    let code = code.load(ordering: .relaxed)
    return code == 0 ? nil : code
  }
}
