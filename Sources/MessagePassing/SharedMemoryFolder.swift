import Foundation

/// A folder in shared memory for the files through which the MPI library has the ranks of a machine talk: this process's
/// own, locked for as long as it lives.
///
/// A process that is killed leaves such files behind, which take memory until the machine starts again. The lock goes
/// with the process, whatever its end; so the next one to start knows whose folders nobody needs, and removes them.
package final class SharedMemoryFolder {
  package let path: String
  private let descriptor: Int32

  /// What is removed at a start.
  package struct Leftovers: Sendable, Equatable {
    package var folders = 0
    package var bytes = 0
  }

  /// A new one below `root`; nil where there can be none.
  package init?(in root: String) {
    for _ in 0..<16 {
      var name = Array((Self.prefix(root) + "XXXXXX").utf8CString)
      guard mkdtemp(&name) != nil else { return nil }
      let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      // Another that removes leftovers may have had it in this moment; then the next is tried.
      guard let descriptor = Self.lock(path) else { continue }
      var (before, now) = (stat(), stat())
      if fstat(descriptor, &before) == 0, stat(path, &now) == 0, before.st_ino == now.st_ino {
        self.path = path
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
    return nil
  }

  /// Removes it with all that is in it.
  package func remove() {
    Self.empty(path)
    close(descriptor)
  }

  /// Removes those of this user whose processes are gone.
  package static func removeLeftovers(in root: String) -> Leftovers {
    var leftovers = Leftovers()
    let start = String(prefix(root).dropFirst(root.count + 1))
    for name in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [] where name.hasPrefix(start)
    {
      let path = "\(root)/\(name)"
      guard let descriptor = lock(path) else { continue }
      let bytes = empty(path)
      close(descriptor)
      guard bytes > 0 else { continue }
      leftovers.folders += 1
      leftovers.bytes += bytes
    }
    return leftovers
  }

  private static func prefix(_ root: String) -> String { "\(root)/lockstep-\(getuid())-" }

  /// nil where somebody else has it, or it is no folder of this user's.
  private static func lock(_ path: String) -> Int32? {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var figures = stat()
    if fstat(descriptor, &figures) == 0, figures.st_uid == getuid(), flock(descriptor, LOCK_EX | LOCK_NB) == 0
    {
      return descriptor
    }
    close(descriptor)
    return nil
  }

  /// Removes a folder with the files in it; returns the bytes that these took.
  @discardableResult
  private static func empty(_ path: String) -> Int {
    var bytes = 0
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
      var figures = stat()
      if lstat("\(path)/\(name)", &figures) == 0 { bytes += Int(figures.st_blocks) * 512 }
      unlink("\(path)/\(name)")
    }
    rmdir(path)
    return bytes
  }
}
