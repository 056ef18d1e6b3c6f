import Foundation

/// A file of many megabytes of which a reader may make much more: made when it is needed, the same every time.
struct LargeFile: Sendable {
  /// READER-what-is-special.
  let name: String
  /// Whether it is read, and not refused.
  let isRead: Bool
  let write: @Sendable (inout FileWriter) -> Void
  let read: @Sendable (InputFolder) throws -> Void

  init(
    _ name: String, isRead: Bool = true, write: @escaping @Sendable (inout FileWriter) -> Void,
    read: @escaping @Sendable (InputFolder) throws -> Void
  ) {
    (self.name, self.isRead, self.write, self.read) = (name, isRead, write, read)
  }

  /// The promise of every reader: twice the size of its file, and what a small file may take.
  static func mostMemory(_ size: Int) -> Int { (64 << 20) + 2 * size }

  /// Makes the file, reads it, and ends the process where that takes more memory than it may.
  func examine(in folder: InputFolder) {
    var writer = FileWriter(folder.file)
    write(&writer)
    let size = writer.finish()
    ProcessMemory.forgetPeak()
    let before = ProcessMemory.peak
    let start = DispatchTime.now().uptimeNanoseconds
    let isRead = ReaderTarget(name, read: read).examine(folder, telling: true)
    let milliseconds = (DispatchTime.now().uptimeNanoseconds - start) / 1_000_000
    let taken = ProcessMemory.peak - before
    print(
      "\(name): \(isRead ? "read" : "refused"), \(size) bytes, \((taken + 1 << 19) >> 20) MiB of "
        + "\(Self.mostMemory(size) >> 20), \(milliseconds) ms")
    if isRead != self.isRead { ReaderTarget.fail("\(name) is \(isRead ? "read" : "refused")") }
    if taken > Self.mostMemory(size) { ReaderTarget.fail("\(name): \(taken) bytes of memory for \(size)") }
  }
}

/// Writes a file piece by piece.
struct FileWriter {
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var written = 0

  init(_ path: String) {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if descriptor < 0 { ReaderTarget.fail("cannot write \(path)") }
  }

  /// The bytes so far.
  var count: Int { written + buffer.count }

  mutating func add(_ text: String) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= 1 << 18 { flush() }
  }

  mutating func add(_ bytes: [UInt8]) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= 1 << 18 { flush() }
  }

  /// A text again and again, until so many bytes are there.
  mutating func fill(_ size: Int, _ text: String) {
    let piece = String(repeating: text, count: max(1, 4096 / text.utf8.count))
    while count + piece.utf8.count <= size { add(piece) }
    while count + text.utf8.count <= size { add(text) }
  }

  private mutating func flush() {
    if buffer.isEmpty { return }
    let isWhole = buffer.withUnsafeBytes {
      Foundation.write(descriptor, $0.baseAddress, $0.count) == $0.count
    }
    if !isWhole { ReaderTarget.fail("cannot write a large file") }
    written += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes a number over the first eight bytes, as the length of a header.
  mutating func setLength(_ length: Int) {
    flush()
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    if pwrite(descriptor, bytes, 8, 0) != 8 { ReaderTarget.fail("cannot write a large file") }
  }

  /// The size of the file.
  mutating func finish() -> Int {
    flush()
    close(descriptor)
    return written
  }
}
