import Foundation

/// The turn to look how much shared memory a machine has left, and to take it. Without it two groups of ranks, or two
/// jobs, would find the same bytes free; and who touches a page for which there is no memory is killed.
///
/// A lock on the folder itself, which leaves nothing behind and ends with the process.
package final class SharedMemoryTurn {
  private let folder: Int32

  /// Waits until it is this process's turn, but not for ever: whoever has it may be stopped, or wait for a turn on another
  /// machine. nil where it does not come, or there is none to have.
  ///
  /// - Parameters:
  ///   - patience: seconds.
  ///   - lookAround: called now and then while waiting.
  package init?(in path: String, patience: Double = 10, lookAround: () -> Void = {}) {
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder < 0 { return nil }
    var waiting = Waiting(spins: 0, sleeps: true, patience: patience)
    while flock(folder, LOCK_EX | LOCK_NB) != 0 {
      if errno != EWOULDBLOCK || !waiting.pause() { return nil }
      if waiting.isLong { lookAround() }
    }
  }

  /// Lets the next one look.
  package func end() { flock(folder, LOCK_UN) }

  deinit { close(folder) }
}
