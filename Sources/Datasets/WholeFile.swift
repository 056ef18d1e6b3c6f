import TensorCore

/// Files that are read into memory at once.
enum WholeFile {
  /// All bytes of a file, inflated where it is gzipped. Throws where it cannot be read, is damaged, holds more than
  /// `limit` bytes, or grows while it is read.
  static func read(_ path: String, limit: Int = 8 << 30) throws(DatasetError) -> [UInt8] {
    let source = try ByteSource(path: path)
    guard source.isGzipped || source.fileSize <= limit else {
      throw tooLarge(path, limit, found: "\(source.fileSize) bytes")
    }
    // One byte more than there should be finds the end.
    let most = source.isGzipped ? limit : source.fileSize
    let bytes = try source.bytes(upTo: most + 1)
    guard bytes.count <= most else {
      if source.isGzipped { throw tooLarge(path, limit, found: "more, inflated") }
      throw DatasetError(
        at: path, expected: "a file that stays as it is while it is read", found: "one that grows",
        remedy: "Wait until it is complete.")
    }
    return bytes
  }

  private static func tooLarge(_ path: String, _ limit: Int, found: String) -> DatasetError {
    DatasetError(
      at: path, expected: "a file of at most \(limit) bytes", found: found,
      remedy: "Divide the data into smaller files.")
  }
}
