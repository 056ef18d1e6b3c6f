/// What a `tokenizer.json` of Hugging Face's tokenizers says, as far as it matters here; the names are the
/// format's.
struct TokenizerFile: Codable {
  struct AddedToken: Codable {
    let id: Int
    let content: String
    var single_word: Bool?
    var lstrip: Bool?
    var rstrip: Bool?
    var normalized: Bool?
    var special: Bool?
  }

  /// A normalizer, pre-tokenizer or decoder.
  struct Step: Codable {
    let type: String
    var add_prefix_space: Bool?
    var trim_offsets: Bool?
    var use_regex: Bool?
  }

  struct Model: Codable {
    var type: String?
    var dropout: Double?
    var unk_token: String?
    var continuing_subword_prefix: String?
    var end_of_word_suffix: String?
    var fuse_unk: Bool?
    var byte_fallback: Bool?
    var ignore_merges: Bool?
    let vocab: [String: Int]
    let merges: [MergeRule]
  }

  /// Two tokens, written as `["a", "b"]` or, in older files, as `"a b"`.
  struct MergeRule: Codable {
    let left: String
    let right: String

    init(left: String, right: String) {
      self.left = left
      self.right = right
    }

    init(from decoder: any Decoder) throws {
      let parts: [String]
      if let text = try? decoder.singleValueContainer().decode(String.self) {
        parts = text.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
          .map { String(Substring($0)) }
      } else {
        parts = try decoder.singleValueContainer().decode([String].self)
      }
      guard parts.count == 2 else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "a merge has two tokens"))
      }
      (left, right) = (parts[0], parts[1])
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.unkeyedContainer()
      try container.encode(left)
      try container.encode(right)
    }
  }

  var version: String? = "1.0"
  var added_tokens: [AddedToken]?
  var normalizer: Step?
  var pre_tokenizer: Step?
  var decoder: Step?
  let model: Model

  /// The file of a tokenizer whose tokens have these names.
  init(
    names: [String], pairs: [TokenPair], addedTokens: [BPETokenizer.AddedToken], addsPrefixSpace: Bool
  ) {
    let step = Step(
      type: "ByteLevel", add_prefix_space: addsPrefixSpace, trim_offsets: true, use_regex: true)
    pre_tokenizer = step
    decoder = step
    added_tokens = addedTokens.map {
      AddedToken(
        id: Int($0.token), content: $0.content, single_word: false, lstrip: false, rstrip: false,
        normalized: false, special: $0.isSpecial)
    }
    let rules = pairs.map { MergeRule(left: names[Int($0.left)], right: names[Int($0.right)]) }
    var vocabulary: [String: Int] = [:]
    for (token, name) in names.enumerated() { vocabulary[name] = token }
    model = Model(
      type: "BPE", fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab: vocabulary,
      merges: rules)
  }
}
