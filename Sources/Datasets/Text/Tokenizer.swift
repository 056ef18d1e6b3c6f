/// How text becomes numbers and numbers become text again.
///
/// Tokens are numbered 0..<vocabularySize, and every token stands for some bytes of UTF-8 text: what tokens
/// decode to is what their bytes make one behind the other. A tokenizer does not change. What a model
/// learned holds for the tokenizer it was trained with only, so `serialized` belongs to the model.
public protocol Tokenizer: Sendable {
  /// The kind of the tokenizer.
  var kind: TokenizerKind { get }
  /// The number of tokens: the classes that a model chooses from.
  var vocabularySize: Int { get }
  /// Everything there is to know about the tokenizer, as compact JSON: `init(serialized:)` makes an equal
  /// one of it.
  var serialized: String { get }

  /// Reads what `serialized` gave. Throws where the text is not such.
  init(serialized: String) throws(DatasetError)

  /// The tokens of a text, given as bytes of UTF-8; `place` is what messages call it, such as a path.
  ///
  /// Throws where the tokenizer has no tokens for the text, and says where in the text that is.
  func encode(_ bytes: [UInt8], at place: String) throws(DatasetError) -> [Int32]

  /// The bytes that a token of 0..<vocabularySize stands for. They need not be whole characters.
  func bytes(of token: Int32) -> [UInt8]
}

extension Tokenizer {
  /// The tokens of a text. Throws where the tokenizer has no tokens for it.
  public func encode(_ text: String) throws(DatasetError) -> [Int32] {
    try encode(Array(text.utf8), at: "the text")
  }

  /// The text of tokens of 0..<vocabularySize; bytes that are not UTF-8 become U+FFFD.
  public func decode(_ tokens: some Sequence<Int32>) -> String {
    String(decoding: tokens.flatMap(bytes(of:)), as: UTF8.self)
  }
}

/// The kinds of tokenizers.
public enum TokenizerKind: String, Sendable, Codable, CaseIterable {
  /// A token for each Unicode character that occurs.
  case characters
  /// A token for each of the 256 bytes.
  case bytes
  /// Byte-pair encoding: tokens for frequent sequences of bytes.
  case bpe
}
