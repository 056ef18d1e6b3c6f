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
    try WholeFile.read(path, limit: limit)
  }
}
