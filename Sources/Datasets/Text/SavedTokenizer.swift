import Foundation
import TensorCore

/// Tokenizers as they are saved, whatever their kind: with a model, or in a file of their own.
public enum SavedTokenizer {
  /// The most bytes of a saved tokenizer: about ten times those of a vocabulary of 100,000.
  public static let greatestSize = 64 << 20

  /// The tokenizer of which this is `serialized`, or the contents of a `tokenizer.json` with byte-level
  /// BPE. `place` is what messages call it. Throws where it is neither.
  public static func read(
    _ serialized: String, at place: String = "a saved tokenizer"
  ) throws(DatasetError) -> any Tokenizer {
    try read(SavedObject(Array(serialized.utf8), at: place))
  }

  private static func read(_ saved: SavedObject) throws(DatasetError) -> any Tokenizer {
    switch try saved.kind() {
    case nil: return BPETokenizer(try BPERules(saved))
    case .bytes: return ByteTokenizer()
    case .characters: return try CharacterTokenizer(saved)
    case .bpe: throw saved.wrongKind(.bpe)
    }
  }

  /// The tokenizer in a file. Throws where the file cannot be read or holds none.
  public static func load(at path: String) throws(DatasetError) -> any Tokenizer {
    let bytes = try TextFiles.read(path, limit: greatestSize)
    try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
      try UTF8Text.validate(bytes, at: path)
    }
    return try read(SavedObject(bytes, at: path))
  }

  /// Writes a tokenizer to a file, whole or not at all; a `tokenizer.json` where it is `bpe`.
  public static func save(_ tokenizer: any Tokenizer, to path: String) throws(DatasetError) {
    do {
      try Data(tokenizer.serialized.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw DatasetError(
        at: path, expected: "a file that can be written", found: error.localizedDescription,
        remedy: "Check the folder, its permissions and the free space.")
    }
  }

  /// What is saved of tokenizers that are no BPE.
  struct Simple: Encodable {
    let tokenizer: TokenizerKind
    let characters: String?
  }

  /// JSON with the keys in order, so that the same tokenizer is always the same text.
  static func encode(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else {
      preconditionFailure("texts and whole numbers can be written as JSON")
    }
    return String(decoding: data, as: UTF8.self)
  }
}
