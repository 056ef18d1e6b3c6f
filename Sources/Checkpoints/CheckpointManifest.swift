import TensorCore

/// What makes a checkpoint whole: the list of its files with their sizes and digests, and a digest of that list.
///
/// One text for one content: a manifest counts only if encoding what was read from it gives the same bytes again,
/// its own digest included, so that every changed bit is found.
package struct CheckpointManifest: Equatable {
  package static let fileName = "manifest.json"
  private static let version = 1
  private static let largest = 1 << 20
  private static let mostFiles = 4096
  private static let remedy = "An older checkpoint is used instead, if one is whole."

  let step: Int
  /// Sorted by name.
  package let files: [Checkpoint.File]

  package init(step: Int, files: [Checkpoint.File]) {
    self.step = step
    self.files = files.sorted { Safetensors.precedes($0.name, $1.name) }
  }

  /// Reads and checks the manifest at `path`.
  package init(at path: String) throws(CheckpointError) {
    let file = try InputFile(path, followingLinks: false)
    guard (1...Self.largest).contains(file.size) else {
      throw CheckpointError(
        at: path, expected: "a manifest of 1 to \(Self.largest) bytes", found: "\(file.size) bytes",
        remedy: Self.remedy)
    }
    let bytes = try file.bytes(at: 0, count: file.size)
    var version: Int?
    var step: Int?
    var files: [Checkpoint.File] = []
    var reader = JSONReader<CheckpointError>(bytes, place: path, remedy: Self.remedy)
    try reader.object(limit: 4) { (reader, key) throws(CheckpointError) in
      switch key {
      case "version":
        let number = try reader.integer()
        guard number == Self.version else {
          throw reader.error(expected: "version \(Self.version)", found: "version \(number)")
        }
        version = number
      case "step": step = try reader.integer()
      case "files":
        try reader.object(limit: Self.mostFiles) { (reader, name) throws(CheckpointError) in
          files.append(try Self.file(named: name, &reader))
        }
      case "digest": _ = try reader.string()
      default: throw reader.error(expected: "a key of a manifest", found: "\"\(key.prefix(40))\"")
      }
    }
    try reader.end()
    guard version != nil, let step else {
      throw reader.error(expected: "version and step", found: "not both")
    }
    self.init(step: step, files: files)
    guard encoded() == bytes else {
      throw CheckpointError(
        at: path, expected: "the text that goes with its digest", found: "another",
        remedy: Self.remedy)
    }
  }

  private static func file(
    named name: String, _ reader: inout JSONReader<CheckpointError>
  ) throws(CheckpointError) -> Checkpoint.File {
    guard isPlainFileName(name) else {
      throw reader.error(expected: "a plain file name", found: "\"\(name.prefix(200))\"")
    }
    var size: Int?
    var digest: Digest128?
    try reader.object(limit: 2) { (reader, key) throws(CheckpointError) in
      switch key {
      case "size": size = try reader.integer()
      case "xxh3-128": digest = Digest128(hexadecimal: try reader.string())
      default: throw reader.error(expected: "size or xxh3-128", found: "\"\(key.prefix(40))\"")
      }
    }
    guard let size, let digest else {
      throw reader.error(expected: "size and xxh3-128 of \(name)", found: "not both")
    }
    return Checkpoint.File(name: name, size: size, digest: digest)
  }

  /// The manifest's text: a line for each file, so that it can be read and compared by eye.
  package func encoded() -> [UInt8] {
    let lines = files.map { file in
      "    \"\(file.name)\": {\"size\": \(file.size), \"xxh3-128\": \"\(file.digest)\"}"
    }
    let list = lines.isEmpty ? "{}" : "{\n" + lines.joined(separator: ",\n") + "\n  }"
    let text = "{\n  \"version\": \(Self.version),\n  \"step\": \(step),\n  \"files\": \(list)"
    let digest = Digest128(of: Array(text.utf8))
    return Array((text + ",\n  \"digest\": \"\(digest)\"\n}\n").utf8)
  }

  /// Whether a name stays inside its folder: letters, digits, ".", "-" and "_", not beginning with a dot.
  static func isPlainFileName(_ name: String) -> Bool {
    guard (1...200).contains(name.utf8.count), name.utf8.first != UInt8(ascii: "."),
      name != fileName
    else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}
