import Failpoints
import Glibc

/// The system calls that a checkpoint's safety hangs on, each replaceable, so that a test can let any of them fail.
package struct SystemCalls: Sendable {
  package var write: @Sendable (Int32, UnsafeRawPointer, Int, Int) -> Int = { pwrite($0, $1, $2, $3) }
  package var sync: @Sendable (Int32) -> Int32 = { fsync($0) }
  package var close: @Sendable (Int32) -> Int32 = { Glibc.close($0) }
  package var rename: @Sendable (String, String) -> Int32 = { Glibc.rename($0, $1) }
  package var remove: @Sendable (String) -> Int32 = { Glibc.remove($0) }

  package init() {}

  /// Those that write checkpoints, which the environment can have fail.
  static let ofCheckpoints: SystemCalls = {
    var calls = SystemCalls()
    calls.write = { Failpoint.checkpointWrite.fails() ? -1 : pwrite($0, $1, $2, $3) }
    calls.sync = { Failpoint.checkpointSync.fails() ? -1 : fsync($0) }
    return calls
  }()
}

extension Failpoint {
  /// Whether what comes next is to fail: then `errno` is EIO, as after a system call.
  func fails() -> Bool {
    guard reach() == .error else { return false }
    errno = EIO
    return true
  }
}

/// A new file that is being written; everything that can go wrong ends in an error that says what and where.
struct OutputFile: ~Copyable {
  let path: String
  private let calls: SystemCalls
  /// -1 once it is closed.
  private var descriptor: Int32

  /// Creates `path`; with `replacing`, whatever file is there is emptied, else it must not exist.
  init(_ path: String, replacing: Bool = false, calls: SystemCalls) throws(CheckpointError) {
    self.path = path
    self.calls = calls
    descriptor = open(
      path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (replacing ? O_TRUNC : O_EXCL), 0o666)
    guard descriptor >= 0 else { throw .system("create the file", at: path, code: errno) }
  }

  deinit {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
  }

  /// Writes all of `bytes` at `offset`.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    guard let start = bytes.baseAddress else { return }
    var written = 0
    while written < bytes.count {
      let count = calls.write(descriptor, start + written, bytes.count - written, offset + written)
      if count < 0 {
        if errno == EINTR { continue }
        throw .system("write \(bytes.count) bytes at offset \(offset)", at: path, code: errno)
      }
      written += count
    }
  }

  func write(_ bytes: [UInt8]) throws(CheckpointError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(CheckpointError) in
      try write(UnsafeRawBufferPointer(buffer), at: 0)
    }
  }

  /// Reads `range` back, piece by piece.
  func read(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CheckpointError) {
    try readPieces(descriptor, range, path: path, body)
  }

  /// Puts it on the disk and closes it.
  mutating func finish() throws(CheckpointError) {
    let descriptor = descriptor
    // Never tried a second time: the kernel has dropped what it could not write, and a repeat would succeed.
    if calls.sync(descriptor) != 0 {
      throw .system("put the file on the disk (fsync)", at: path, code: errno)
    }
    self.descriptor = -1
    if calls.close(descriptor) != 0 { throw .system("close the file", at: path, code: errno) }
  }
}

/// A file that is being read: a regular file, whose size is known.
struct InputFile: ~Copyable, Sendable {
  let path: String
  let size: Int
  private let descriptor: Int32

  init(_ path: String, followingLinks: Bool = true) throws(CheckpointError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followingLinks ? 0 : O_NOFOLLOW)
    let descriptor = open(path, flags)
    guard descriptor >= 0 else { throw .system("read the file", at: path, code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      _ = Glibc.close(descriptor)
      throw CheckpointError(
        at: path, expected: "a regular file", found: "something else", remedy: "Check the path.")
    }
    self.path = path
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { _ = Glibc.close(descriptor) }

  /// Fills `bytes` from `offset`.
  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) {
    try readFully(descriptor, into: bytes, at: offset, path: path)
  }

  /// Reads `range`, piece by piece, without holding more than a piece.
  func read(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CheckpointError) {
    try readPieces(descriptor, range, path: path, body)
  }

  /// `count` bytes from `offset`.
  func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { (buffer) throws(CheckpointError) in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
    }
    return bytes
  }

  /// The digest of the whole file.
  func digest() throws(CheckpointError) -> Digest128 {
    var stream = DigestStream()
    try read(0..<size) { stream.update($0) }
    return stream.digest
  }
}

extension Digest128 {
  /// The digest of a file's bytes.
  public init(ofFile path: String) throws(CheckpointError) {
    self = try InputFile(path).digest()
  }
}

private func readFully(
  _ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, at offset: Int, path: String
) throws(CheckpointError) {
  guard let start = bytes.baseAddress else { return }
  var done = 0
  while done < bytes.count {
    let count = pread(descriptor, start + done, bytes.count - done, offset + done)
    if count < 0 {
      if errno == EINTR { continue }
      throw .system("read \(bytes.count) bytes at offset \(offset)", at: path, code: errno)
    }
    guard count > 0 else {
      throw CheckpointError(
        at: path, expected: "\(bytes.count) bytes at offset \(offset)", found: "\(done) of them",
        remedy: "The file became shorter while it was read; see who else writes it.")
    }
    done += count
  }
}

private func readPieces(
  _ descriptor: Int32, _ range: Range<Int>, path: String, _ body: (UnsafeRawBufferPointer) -> Void
) throws(CheckpointError) {
  // Small enough to stay in the second-level cache between the copy and the digest.
  let piece = UnsafeMutableRawBufferPointer.allocate(
    byteCount: min(256 << 10, range.count), alignment: 64)
  defer { piece.deallocate() }
  var offset = range.lowerBound
  while offset < range.upperBound {
    let part = UnsafeMutableRawBufferPointer(
      rebasing: piece[..<min(piece.count, range.upperBound - offset)])
    try readFully(descriptor, into: part, at: offset, path: path)
    body(UnsafeRawBufferPointer(part))
    offset += part.count
  }
}
