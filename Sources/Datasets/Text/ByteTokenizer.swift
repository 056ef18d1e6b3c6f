/// A token for each of the 256 bytes: every file has tokens, be it UTF-8 or not.
public struct ByteTokenizer: Tokenizer, Equatable {
  public init() {}

  public init(serialized: String) throws(DatasetError) {
    let saved = try SavedObject(Array(serialized.utf8), at: "a saved tokenizer")
    guard try saved.kind() == .bytes else { throw saved.wrongKind(.bytes) }
  }

  public var kind: TokenizerKind { .bytes }
  public var vocabularySize: Int { 256 }
  public var serialized: String {
    SavedTokenizer.encode(SavedTokenizer.Simple(tokenizer: .bytes, characters: nil))
  }

  public func encode(_ bytes: [UInt8], at place: String) throws(DatasetError) -> [Int32] {
    bytes.map(Int32.init)
  }

  public func bytes(of token: Int32) -> [UInt8] {
    precondition(0..<256 ~= token, "there is no token \(token)")
    return [UInt8(token)]
  }
}
