import TensorCore

/// A checkpoint that was whole when it was looked at: its manifest and each file's size and digest were right.
public struct Checkpoint: Sendable, Equatable {
  /// One file of a checkpoint.
  public struct File: Sendable, Equatable {
    public let name: String
    /// In bytes.
    public let size: Int
    public let digest: Digest128

    package init(name: String, size: Int, digest: Digest128) {
      self.name = name
      self.size = size
      self.digest = digest
    }
  }

  /// The optimizer steps that had been taken when it was saved.
  public let step: Int
  /// Where its files are.
  public let folder: String
  /// Sorted by name.
  public let files: [File]

  /// Opens one of its safetensors files.
  public func safetensors(_ name: String) throws(CheckpointError) -> SafetensorsFile {
    try SafetensorsFile(try path(of: name), followingLinks: false)
  }

  /// All bytes of one of its files, checked again against the manifest.
  public func bytes(of name: String) throws(CheckpointError) -> [UInt8] {
    let path = try path(of: name)
    let file = try InputFile(path, followingLinks: false)
    let bytes = try file.bytes(at: 0, count: file.size)
    guard files.contains(where: { $0.name == name && $0.digest == Digest128(of: bytes) }) else {
      throw CheckpointError(
        at: path, expected: "the bytes that were verified", found: "others",
        remedy: "See what else writes into this folder.")
    }
    return bytes
  }

  private func path(of name: String) throws(CheckpointError) -> String {
    guard files.contains(where: { $0.name == name }) else {
      throw CheckpointError(
        at: folder, expected: "a file \(name)",
        found: files.isEmpty ? "none" : files.map(\.name).joined(separator: ", "),
        remedy: "The checkpoint was written by another version or another kind of run.")
    }
    return folder + "/" + name
  }

  /// Checks a folder against its manifest, and the manifest against the step that the folder should hold.
  ///
  /// - Parameter pastCache: reads large files from the disk, not from the system's memory of it.
  static func verified(
    folder: String, step: Int, pastCache: Bool = false
  ) throws(CheckpointError) -> Checkpoint {
    let manifest = try CheckpointManifest(at: folder + "/" + CheckpointManifest.fileName)
    guard manifest.step == step else {
      throw CheckpointError(
        at: folder, expected: "the checkpoint of step \(step)", found: "that of step \(manifest.step)",
        remedy: "Rename the folder back.")
    }
    // All sizes before any digest: most damage is found without reading a byte.
    for check in [false, true] {
      for file in manifest.files {
        let input = try InputFile(folder + "/" + file.name, followingLinks: false)
        guard input.size == file.size else {
          throw CheckpointError(
            at: input.path, expected: "\(file.size) bytes", found: "\(input.size)",
            remedy: "An older checkpoint is used instead, if one is whole.")
        }
        guard check else { continue }
        let digest = try input.digest(pastCache: pastCache && input.size >= DirectBlocks.fewestBytes)
        guard digest == file.digest else {
          throw CheckpointError(
            at: input.path, expected: "digest \(file.digest)", found: "\(digest)",
            remedy: "Its contents have changed since it was written; check the disk.")
        }
      }
    }
    return Checkpoint(step: step, folder: folder, files: manifest.files)
  }
}
