import TensorCore

/// A stretch of a file that moves from its front to its end, inflated where the file is gzipped.
///
/// What lies before the stretch is let go, so the memory is that of the longest one that somebody keeps, and not that of
/// the file.
final class ByteWindow {
  let path: String
  /// The bytes that can be looked at: `count` of them.
  let memory: UnsafeMutablePointer<UInt8>
  private(set) var count = 0

  private static let piece = 1 << 17

  private let source: ByteSource
  private let longest: Int
  private let limit: Int
  private var passed = 0

  /// Opens a file; nothing of it can be looked at before the first `advance`.
  ///
  /// - Parameters:
  ///   - longest: the most bytes that may be kept while others are read behind them.
  ///   - limit: the most bytes of the file, inflated.
  init(_ path: String, longest: Int, limit: Int = WholeFile.greatestSize) throws(DatasetError) {
    source = try ByteSource(path: path)
    guard source.isGzipped || source.fileSize <= limit else {
      throw WholeFile.tooLarge(path, limit, found: "\(source.fileSize) bytes")
    }
    (self.path, self.longest, self.limit) = (path, longest, limit)
    // The pages of a large allocation become real when they are written.
    memory = .allocate(capacity: longest + Self.piece)
  }

  deinit { memory.deallocate() }

  /// Whether the bytes from `start` on are few enough to be kept.
  func canKeep(from start: Int) -> Bool { count - start <= longest }

  /// Lets go of the bytes before `start`, moves the others to the front, and reads more behind them; false where the file
  /// is at its end. Throws where it cannot be read, is damaged, too large, or grows while it is read.
  func advance(keepingFrom start: Int) throws(DatasetError) -> Bool {
    precondition(canKeep(from: start), "more is kept than was asked for")
    count -= start
    if start > 0 { memory.update(from: memory + start, count: count) }
    let got = try source.read(UnsafeMutableRawBufferPointer(start: memory + count, count: Self.piece))
    count += got
    passed += got
    if source.isGzipped, passed > limit { throw WholeFile.tooLarge(path, limit, found: "more, inflated") }
    if !source.isGzipped, passed > source.fileSize { throw WholeFile.grows(path) }
    return got > 0
  }
}
