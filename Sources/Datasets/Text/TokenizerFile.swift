/// What is written to a `tokenizer.json` of Hugging Face's tokenizers; the names are the format's. (`BPERules` reads
/// one: what a general decoder makes of a value takes some hundred bytes.)
struct TokenizerFile: Encodable {
  struct AddedToken: Encodable {
    let id: Int
    let content: String
    var single_word: Bool?
    var lstrip: Bool?
    var rstrip: Bool?
    var normalized: Bool?
    var special: Bool?
  }

  /// A normalizer, pre-tokenizer or decoder.
  struct Step: Encodable {
    let type: String
    var add_prefix_space: Bool?
    var trim_offsets: Bool?
    var use_regex: Bool?
  }

  struct Model: Encodable {
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

  /// Two tokens, written as `["a", "b"]`.
  struct MergeRule: Encodable {
    let left: String
    let right: String

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
    names: [String], pairs: some Collection<TokenPair>, addedTokens: [BPETokenizer.AddedToken],
    addsPrefixSpace: Bool
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
