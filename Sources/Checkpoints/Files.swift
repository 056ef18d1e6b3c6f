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
  private let target: WriteTarget
  private var isOpen = true
  /// What waits for a whole block; nil where the file's bytes take the usual way.
  private var blocks: DirectBlocks?

  /// Creates `path`; with `replacing`, whatever file is there is emptied, else it must not exist.
  ///
  /// - Parameter pastCache: has large parts go past the system's page cache, where the file system can do that.
  init(
    _ path: String, replacing: Bool = false, pastCache: Bool = false, calls: SystemCalls
  ) throws(CheckpointError) {
    self.path = path
    let descriptor = open(
      path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (replacing ? O_TRUNC : O_EXCL), 0o666)
    guard descriptor >= 0 else { throw .system("create the file", at: path, code: errno) }
    let direct = pastCache ? DirectBlocks.open(path, O_RDWR | O_NOFOLLOW) : nil
    target = WriteTarget(path: path, calls: calls, plain: descriptor, direct: direct)
    blocks = direct == nil ? nil : DirectBlocks()
  }

  deinit {
    if isOpen { _ = target.close() }
  }

  /// Writes all of `bytes` at `offset`.
  mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    if blocks == nil {
      try target.write(bytes, at: offset, isDirect: false)
    } else {
      try blocks?.append(bytes, at: offset, target)
    }
  }

  mutating func write(_ bytes: [UInt8]) throws(CheckpointError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(CheckpointError) in
      try write(UnsafeRawBufferPointer(buffer), at: 0)
    }
  }

  /// Reads `range` back, piece by piece.
  mutating func read(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CheckpointError) {
    try blocks?.flush(target)
    try readPieces(target.plain, direct: target.direct, range, path: path, body)
  }

  /// Puts it on the disk and closes it.
  mutating func finish() throws(CheckpointError) {
    try blocks?.flush(target)
    // Never tried a second time: the kernel has dropped what it could not write, and a repeat would succeed.
    if target.calls.sync(target.plain) != 0 {
      throw .system("put the file on the disk (fsync)", at: path, code: errno)
    }
    isOpen = false
    if target.close() != 0 { throw .system("close the file", at: path, code: errno) }
  }
}

/// The descriptors of a file that is being written.
struct WriteTarget: Sendable {
  let path: String
  let calls: SystemCalls
  let plain: Int32
  /// For transfers past the page cache.
  let direct: Int32?

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, isDirect: Bool) throws(CheckpointError) {
    guard let start = bytes.baseAddress else { return }
    var written = 0
    var isDirect = isDirect
    while written < bytes.count {
      let descriptor = isDirect ? direct ?? plain : plain
      let count = calls.write(descriptor, start + written, bytes.count - written, offset + written)
      if count < 0 {
        if errno == EINTR { continue }
        // The disk asks for another alignment.
        if errno == EINVAL, isDirect {
          isDirect = false
          continue
        }
        throw .system("write \(bytes.count) bytes at offset \(offset)", at: path, code: errno)
      }
      written += count
    }
  }

  func close() -> Int32 {
    if let direct { _ = Glibc.close(direct) }
    return calls.close(plain)
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
    try readPieces(descriptor, direct: nil, range, path: path, body)
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
  ///
  /// - Parameter pastCache: reads the disk itself, where the file system can do that, and leaves the page cache alone.
  func digest(pastCache: Bool = false) throws(CheckpointError) -> Digest128 {
    let direct = pastCache ? DirectBlocks.open(path, O_RDONLY | O_NOFOLLOW) : nil
    defer { if let direct { _ = Glibc.close(direct) } }
    var stream = DigestStream()
    try readPieces(descriptor, direct: direct, 0..<size, path: path) { stream.update($0) }
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
  _ descriptor: Int32, direct: Int32?, _ range: Range<Int>, path: String,
  _ body: (UnsafeRawBufferPointer) -> Void
) throws(CheckpointError) {
  let alignment = DirectBlocks.alignment
  // Through the cache: small enough to stay in the processor's own between the copy and the digest. Past it: enough for
  // the disk to be busy.
  let piece = UnsafeMutableRawBufferPointer.allocate(
    byteCount: direct == nil ? min(256 << 10, range.count) : 1 << 20, alignment: alignment)
  defer { piece.deallocate() }
  var offset = range.lowerBound
  while offset < range.upperBound {
    let base = direct == nil ? offset : offset / alignment * alignment
    let end = min(base + piece.count, range.upperBound)
    let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(end - base)])
    // Past the end of the file there is nothing, but whole blocks are asked for.
    let blocks = (part.count + alignment - 1) / alignment * alignment
    if direct.map({ pread($0, piece.baseAddress, blocks, base) >= part.count }) != true {
      try readFully(descriptor, into: part, at: base, path: path)
    }
    body(UnsafeRawBufferPointer(rebasing: part[(offset - base)...]))
    offset = end
  }
}
