import TensorCore

/// Files that are read into memory at once.
enum WholeFile {
  /// The most bytes of any file of samples.
  static let greatestSize = 8 << 30

  /// All bytes of a file, inflated where it is gzipped. Throws where it cannot be read, is damaged, holds more than
  /// `limit` bytes, or grows while it is read.
  static func read(_ path: String, limit: Int = greatestSize) throws(DatasetError) -> [UInt8] {
    let source = try ByteSource(path: path)
    guard source.isGzipped || source.fileSize <= limit else {
      throw tooLarge(path, limit, found: "\(source.fileSize) bytes")
    }
    // One byte more than there should be finds the end.
    let most = source.isGzipped ? limit : source.fileSize
    let bytes = try source.bytes(upTo: most + 1)
    guard bytes.count <= most else {
      if source.isGzipped { throw tooLarge(path, limit, found: "more, inflated") }
      throw grows(path)
    }
    return bytes
  }

  static func tooLarge(_ path: String, _ limit: Int, found: String) -> DatasetError {
    DatasetError(
      at: path, expected: "a file of at most \(limit) bytes", found: found,
      remedy: "Divide the data into smaller files.")
  }

  static func grows(_ path: String) -> DatasetError {
    DatasetError(
      at: path, expected: "a file that stays as it is while it is read", found: "one that grows",
      remedy: "Wait until it is complete.")
  }
}
