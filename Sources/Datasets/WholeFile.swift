import TensorCore

/// Files that are read into memory at once.
enum WholeFile {
  /// All bytes of a file, inflated where it is gzipped. Throws where it cannot be read, is damaged, or holds
  /// more than `limit` bytes.
  static func read(_ path: String, limit: Int = 8 << 30) throws(DatasetError) -> [UInt8] {
    let source = try ByteSource(path: path)
    var bytes: [UInt8] = []
    var wanted = source.isGzipped ? 1 << 16 : source.fileSize
    while true {
      guard bytes.count <= limit, source.isGzipped || wanted <= limit else {
        throw DatasetError(
          at: path, expected: "a file of at most \(limit) bytes",
          found: source.isGzipped ? "more, inflated" : "\(source.fileSize) bytes",
          remedy: "Divide the data into smaller files.")
      }
      // One byte more than there should be finds the end.
      let piece = try read(min(wanted, limit - bytes.count) + 1, from: source)
      let isLast = piece.count < min(wanted, limit - bytes.count) + 1
      if bytes.isEmpty { bytes = piece } else { bytes += piece }
      if isLast { return bytes }
      wanted = bytes.count
    }
  }

  /// Up to `count` bytes: fewer only at the end.
  private static func read(_ count: Int, from source: ByteSource) throws(DatasetError) -> [UInt8] {
    var failure: DatasetError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      let wanted = UnsafeMutableBufferPointer(rebasing: memory[..<count])
      do throws(DatasetError) {
        filled = try source.read(UnsafeMutableRawBufferPointer(wanted))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }
}
