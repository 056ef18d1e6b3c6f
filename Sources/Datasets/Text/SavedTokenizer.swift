import Foundation
import TensorCore

/// Tokenizers as they are saved, whatever their kind: with a model, or in a file of their own.
public enum SavedTokenizer {
  /// The most bytes of a saved tokenizer: about ten times those of a vocabulary of 100,000.
  public static let greatestSize = 64 << 20
  /// The most values in its JSON: twice those of a vocabulary of 200,000 with as many merges and more.
  private static let mostValues = 3 << 20
  private static let greatestDepth = 32

  /// The tokenizer of which this is `serialized`, or the contents of a `tokenizer.json` with byte-level
  /// BPE. `place` is what messages call it. Throws where it is neither.
  public static func read(
    _ serialized: String, at place: String = "a saved tokenizer"
  ) throws(DatasetError) -> any Tokenizer {
    let saved = try decode(Envelope.self, serialized, at: place)
    switch saved.tokenizer {
    case nil: return try BPETokenizer(serialized: serialized, at: place)
    case .bytes: return ByteTokenizer()
    case .characters: return try CharacterTokenizer(serialized: serialized, at: place)
    case .bpe: throw wrongKind(.bpe, at: place)
    }
  }

  /// The tokenizer in a file. Throws where the file cannot be read or holds none.
  public static func load(at path: String) throws(DatasetError) -> any Tokenizer {
    let bytes = try TextFiles.read(path, limit: greatestSize)
    try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
      try UTF8Text.validate(bytes, at: path)
    }
    return try read(String(decoding: bytes, as: UTF8.self), at: path)
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
  struct Simple: Codable {
    let tokenizer: TokenizerKind
    let characters: String?
    var kind: TokenizerKind { tokenizer }

    init(kind: TokenizerKind, characters: String?) {
      tokenizer = kind
      self.characters = characters
    }

    init(_ serialized: String, at place: String) throws(DatasetError) {
      self = try SavedTokenizer.decode(Self.self, serialized, at: place)
    }

    var json: String { SavedTokenizer.encode(self) }
  }

  /// Only what tells the kind.
  private struct Envelope: Decodable {
    let tokenizer: TokenizerKind?
  }

  static func wrongKind(_ kind: TokenizerKind, at place: String) -> DatasetError {
    DatasetError(
      at: place, expected: "a tokenizer of the kind \(kind.rawValue)", found: "another kind",
      remedy: "Take the tokenizer as it was saved with the model.")
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

  /// Reads JSON, whose size, number of values and nesting are bounded first.
  static func decode<Value: Decodable>(
    _ type: Value.Type, _ text: String, at place: String
  ) throws(DatasetError) -> Value {
    guard text.utf8.count <= greatestSize else {
      throw DatasetError(
        at: place, expected: "a tokenizer of at most \(greatestSize >> 20) MiB",
        found: "\(text.utf8.count) bytes", remedy: "Name the file of a tokenizer, tokenizer.json.")
    }
    if let excess = JSONBounds.excess(in: text.utf8, values: mostValues, depth: greatestDepth) {
      throw DatasetError(
        at: place, expected: "a tokenizer in JSON", found: excess,
        remedy: "Name the file of a tokenizer, tokenizer.json.")
    }
    do {
      return try JSONDecoder().decode(type, from: Data(text.utf8))
    } catch {
      throw DatasetError(
        at: place, expected: "a tokenizer in JSON, as Lockstep or Hugging Face's tokenizers write it",
        found: describe(error), remedy: "Name the file of a tokenizer, tokenizer.json.")
    }
  }

  private static func describe(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
      let keys = context.codingPath + (key.map { [$0] } ?? [])
      return keys.isEmpty ? "the whole" : keys.map(\.stringValue).joined(separator: ".")
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context): "no \(path(context, key))"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "another type at \(path(context)): \(context.debugDescription)"
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      "a wrong value at \(path(context)): \(context.debugDescription)"
    default: "text that is not JSON with whole numbers"
    }
  }
}
