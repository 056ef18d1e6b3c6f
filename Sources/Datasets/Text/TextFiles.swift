import Foundation

/// Reads texts: one file, gzipped or not, or all `.txt` and `.txt.gz` files of a folder.
package enum TextFiles {
  /// The most bytes of all texts together, inflated.
  static let greatestSize = 4 << 30

  /// The texts at a path, those of a folder in the order of their names' code points; folders in it are
  /// left alone. Throws where there are none or one cannot be read.
  package static func load(at path: String) throws(DatasetError) -> [(place: String, bytes: [UInt8])] {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    guard exists, isFolder.boolValue else {
      return [(path, try read(path, limit: greatestSize))]
    }
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
      .filter { $0.hasSuffix(".txt") || $0.hasSuffix(".txt.gz") }
      .sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    guard !names.isEmpty else {
      throw DatasetError(
        at: path, expected: "a folder with files that end in .txt or .txt.gz", found: "none of them",
        remedy: "Give a text file, or the folder that holds some: --set data.path=PATH.")
    }
    var texts: [(place: String, bytes: [UInt8])] = []
    var size = 0
    for name in names {
      let place = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
      let bytes = try read(place, limit: greatestSize - size)
      size += bytes.count
      texts.append((place, bytes))
    }
    return texts
  }

  /// A whole file, gzipped or not. Throws where it cannot be read or has more bytes than `limit`.
  static func read(_ path: String, limit: Int) throws(DatasetError) -> [UInt8] {
    let source = try ByteSource(path: path)
    var bytes: [UInt8] = []
    // A plain file comes in one piece; what a gzipped one inflates to shows only on the way.
    var piece = source.isGzipped ? min(4 * source.fileSize, 1 << 26) : source.fileSize
    piece = min(max(piece, 1 << 10), limit) + 1
    while true {
      let got = try append(piece, of: source, to: &bytes)
      guard bytes.count <= limit else {
        throw DatasetError(
          at: path, expected: "at most \(limit) bytes", found: "more",
          remedy: "Split the text into smaller files and train on some of them.")
      }
      if got < piece { return bytes }
      piece = min(piece, limit + 1 - bytes.count)
    }
  }

  private static func append(
    _ count: Int, of source: ByteSource, to bytes: inout [UInt8]
  ) throws(DatasetError) -> Int {
    var outcome: Result<Int, DatasetError> = .success(0)
    let piece = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      do throws(DatasetError) {
        let wanted = UnsafeMutableBufferPointer(rebasing: memory[..<count])
        filled = try source.read(UnsafeMutableRawBufferPointer(wanted))
        outcome = .success(filled)
      } catch {
        outcome = .failure(error)
      }
    }
    let got = try outcome.get()
    if bytes.isEmpty { bytes = piece } else { bytes += piece }
    return got
  }
}
