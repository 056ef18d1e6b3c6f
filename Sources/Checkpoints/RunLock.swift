import Glibc

/// The right to write into a run's folder, held by one process at a time.
///
/// It is a lock of the kernel (`flock`) on `FOLDER/.lock`: it ends with the process, however that dies, so it is
/// never stale. The file itself stays, and says who held it last.
public final class RunLock: Sendable {
  /// The folder that is locked.
  public let folder: String
  private let descriptor: Int32

  /// Creates the folder if need be, and takes its lock.
  ///
  /// Throws a `CheckpointError` that names the holder, where another process (or another `RunLock` of this one) has it.
  public init(folder: String) throws(CheckpointError) {
    try Folders.create(folder, calls: SystemCalls())
    self.folder = folder
    let path = folder + "/.lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw .system("create the file", at: path, code: errno) }
    var result: Int32
    repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
    guard result == 0 else {
      let code = errno
      let found = Self.holder(descriptor)
      _ = close(descriptor)
      guard code == EWOULDBLOCK else { throw .system("lock the file", at: path, code: code) }
      throw CheckpointError(
        at: folder, expected: "a folder that no other run is using", found: found,
        remedy: "Wait for that run, end it, or choose another output folder.")
    }
    self.descriptor = descriptor
    let holder = Array("process \(getpid()) on host \(Self.hostName())\n".utf8)
    // Only for messages: a lock without a name is still a lock.
    _ = ftruncate(descriptor, 0)
    _ = pwrite(descriptor, holder, holder.count, 0)
  }

  deinit { _ = close(descriptor) }

  private static func holder(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let line = String(decoding: bytes[..<max(0, count)].prefix { $0 >= 0x20 }, as: UTF8.self)
    return line.isEmpty ? "one that another process has locked" : "one locked by \(line)"
  }

  private static func hostName() -> String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let result = bytes.withUnsafeMutableBytes { buffer -> Int32 in
      guard let start = buffer.baseAddress else { return -1 }
      return gethostname(start.assumingMemoryBound(to: CChar.self), buffer.count - 1)
    }
    return result == 0 ? String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) : "unknown"
  }
}
