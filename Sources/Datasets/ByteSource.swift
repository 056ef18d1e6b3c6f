import CZlib
import Foundation
import TensorCore

/// Reads a file from front to back, inflating it where its first bytes say that it is gzipped.
///
/// It gives as many bytes as are asked for and holds one small buffer, so what a reader asks for bounds
/// the memory, however much a file would inflate to; and a small file that would inflate to very much is
/// refused on the way. At the end of gzipped data its checksum has been verified.
final class ByteSource {
  let path: String
  /// The size of the file as it lies on the disk.
  let fileSize: Int
  let isGzipped: Bool

  private static let chunkSize = 1 << 17
  /// What a gzipped file may inflate to: so many times its size, and always `freelyInflated` bytes. Data shrink to a
  /// tenth or a fiftieth; deflate can go to a thousandth, which is how little files are made that fill a memory.
  private static let greatestRatio = 200
  private static let freelyInflated = 32 << 20

  private let descriptor: Int32
  private let chunk: UnsafeMutablePointer<UInt8>
  private var chunkOffset = 0
  private var chunkCount = 0
  /// zlib keeps a pointer to it, so it may not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private var streamIsOpen = false
  private var isBetweenMembers = false
  private var inflated = 0

  init(path: String) throws(DatasetError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw DatasetError(
        at: path, expected: "a file that can be read", found: Self.systemError(errno),
        remedy: "Check the path and its permissions.")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw DatasetError(
        at: path, expected: "a regular file", found: "a folder, pipe or device",
        remedy: "Name a file.")
    }
    self.path = path
    self.descriptor = descriptor
    fileSize = Int(status.st_size)
    chunk = .allocate(capacity: Self.chunkSize)
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    var magic: (UInt8, UInt8) = (0, 0)
    isGzipped = pread(descriptor, &magic, 2, 0) == 2 && magic == (0x1F, 0x8B)
    if isGzipped {
      guard lockstep_inflate_init_gzip(stream) == Z_OK else {
        throw DatasetError(
          at: path, expected: "memory to inflate a file", found: "none",
          remedy: "Free memory, or use fewer ranks on this machine.")
      }
      streamIsOpen = true
    }
  }

  deinit {
    if streamIsOpen { inflateEnd(stream) }
    stream.deallocate()
    chunk.deallocate()
    close(descriptor)
  }

  /// The most bytes that a file of this size may hold.
  var greatestContents: Int {
    guard isGzipped else { return fileSize }
    let (product, overflows) = fileSize.multipliedReportingOverflow(by: Self.greatestRatio)
    return overflows ? Int.max : max(product, Self.freelyInflated)
  }

  /// Up to `count` bytes, fewer only at the end. What is to be inflated gets memory as it comes: a file may say that
  /// it holds anything.
  func bytes(upTo count: Int) throws(DatasetError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let rest = count - bytes.count
      let wanted = isGzipped ? min(rest, max(1 << 16, bytes.count / 2)) : min(rest, fileSize + 1)
      let piece = try self.piece(wanted)
      let isLast = piece.count < wanted
      if bytes.isEmpty { bytes = piece } else { bytes += piece }
      if isLast { break }
    }
    return bytes
  }

  private func piece(_ count: Int) throws(DatasetError) -> [UInt8] {
    // The pages of a large allocation become real when they are written.
    var outcome: Result<Int, DatasetError> = .success(0)
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      do throws(DatasetError) {
        let wanted = UnsafeMutableBufferPointer(rebasing: memory[..<count])
        filled = try read(UnsafeMutableRawBufferPointer(wanted))
      } catch {
        outcome = .failure(error)
      }
    }
    _ = try outcome.get()
    return bytes
  }

  /// Fills `memory` and returns how many bytes it got: fewer than asked for only at the end.
  func read(_ memory: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
    guard let base = memory.baseAddress else { return 0 }
    var filled = 0
    if !isGzipped {
      while filled < memory.count {
        let got = try readFile(base + filled, memory.count - filled)
        if got == 0 { break }
        filled += got
      }
      return filled
    }
    while filled < memory.count {
      if chunkOffset == chunkCount {
        chunkCount = try readFile(chunk, Self.chunkSize)
        chunkOffset = 0
        if chunkCount == 0 {
          if isBetweenMembers { break }
          throw DatasetError(
            at: path, expected: "a whole gzip file", found: "its end in the middle of the compressed data",
            remedy: "The file was cut short: fetch it again.")
        }
      }
      if isBetweenMembers {
        inflateReset(stream)
        isBetweenMembers = false
      }
      let more = try inflate(base + filled, memory.count - filled)
      filled += more
      inflated += more
      guard inflated <= greatestContents else {
        throw DatasetError(
          at: path, expected: "at most \(greatestContents) bytes in a gzipped file of \(fileSize)",
          found: "more",
          remedy: "If it is meant to hold so much, inflate it first: gunzip \(path)")
      }
    }
    return filled
  }

  /// Inflates from the chunk; returns the number of bytes that came out.
  private func inflate(
    _ memory: UnsafeMutableRawPointer, _ count: Int
  ) throws(DatasetError) -> Int {
    let room = min(count, 1 << 30)
    let supply = chunkCount - chunkOffset
    stream.pointee.next_in = chunk + chunkOffset
    stream.pointee.avail_in = UInt32(supply)
    stream.pointee.next_out = memory.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(room)
    let outcome = CZlib.inflate(stream, Z_NO_FLUSH)
    let taken = supply - Int(stream.pointee.avail_in)
    let made = room - Int(stream.pointee.avail_out)
    chunkOffset += taken
    switch outcome {
    case Z_STREAM_END: isBetweenMembers = true
    case Z_OK where taken + made > 0: break
    default:
      let reason = stream.pointee.msg.map { ": " + String(cString: $0) } ?? ""
      throw DatasetError(
        at: path, expected: "intact gzip data", found: "damaged data\(reason)",
        remedy: "Fetch the file again, and compare its checksum.")
    }
    return made
  }

  private func readFile(_ memory: UnsafeMutableRawPointer, _ count: Int) throws(DatasetError) -> Int {
    while true {
      let got = Foundation.read(descriptor, memory, count)
      if got >= 0 { return got }
      if errno == EINTR { continue }
      throw DatasetError(
        at: path, expected: "a file that can be read", found: Self.systemError(errno),
        remedy: "Check the disk or the network it lies on.")
    }
  }

  private static func systemError(_ number: Int32) -> String { String(cString: strerror(number)) }
}
