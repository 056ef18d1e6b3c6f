import TensorCore

/// What makes a byte-level BPE tokenizer: checked, and with numbers in place of names.
struct BPERules {
  /// The bytes of each token.
  var contents = TokenContents()
  var merges = MergeTable()
  var addedTokens: [BPETokenizer.AddedToken]
  var addsPrefixSpace: Bool

  init(addedTokens: [BPETokenizer.AddedToken], addsPrefixSpace: Bool) {
    (self.addedTokens, self.addsPrefixSpace) = (addedTokens, addsPrefixSpace)
  }

  /// Takes the rules out of the `tokenizer.json` of Hugging Face's tokenizers, as far as it matters here; the keys are the
  /// format's. Throws where it asks for more than byte-level BPE, or contradicts itself.
  ///
  /// Each part is read straight into the tables that it is for, so that the greatest file takes little more than they do.
  init(_ file: SavedObject) throws(DatasetError) {
    let demands = BPEDemands(file.place)
    let model = try BPEModel(file, demands)
    try demands.require(file["normalizer"] == nil, "normalizer", "none")
    addsPrefixSpace = try demands.addsPrefixSpace(file["pre_tokenizer"])
    var added = try AddedTokens(file, demands)
    var vocabulary = BPEVocabulary(model, added: added, at: file.place)
    try vocabulary.read()
    contents = vocabulary.contents
    addedTokens = added.tokens
    added = AddedTokens()
    merges = try vocabulary.merges()
  }
}

/// The model's part of a `tokenizer.json`: where its tables begin and how long they are.
struct BPEModel {
  typealias Reader = SavedObject.Reader

  private(set) var vocabulary: Reader
  private(set) var tokenCount = 0
  /// The bytes that the vocabulary takes in the file.
  private(set) var vocabularySize = 0
  private(set) var merges: Reader
  private(set) var mergeCount = 0

  /// The vocabularies of the largest models have a quarter of it.
  static let mostTokens = 1 << 20
  static let mostMerges = 1 << 21

  init(_ file: SavedObject, _ demands: BPEDemands) throws(DatasetError) {
    guard var reader = file["model"] else { throw file.lacks("model") }
    var (vocabulary, merges): (Reader?, Reader?)
    var (tokenCount, vocabularySize, mergeCount) = (0, 0, 0)
    try reader.object(limit: 64) { (reader, key) throws(DatasetError) in
      let part = reader.renamed("\(file.place), model.\(key)")
      var end = part
      switch key {
      case "vocab":
        tokenCount = try Self.count(&end, limit: Self.mostTokens, isObject: true)
        (vocabulary, vocabularySize) = (part, end.position - part.position)
      case "merges":
        mergeCount = try Self.count(&end, limit: Self.mostMerges, isObject: false)
        merges = part
      default: try demands.checkModel(key, &end)
      }
      reader = end.renamed("\(file.place), model")
    }
    guard let vocabulary else { throw file.lacks("model.vocab") }
    guard let merges else { throw file.lacks("model.merges") }
    (self.vocabulary, self.merges) = (vocabulary, merges)
    (self.tokenCount, self.vocabularySize, self.mergeCount) = (tokenCount, vocabularySize, mergeCount)
  }

  /// Passes over an object or an array and counts what is in it.
  private static func count(
    _ reader: inout Reader, limit: Int, isObject: Bool
  ) throws(DatasetError) -> Int {
    var count = 0
    // Names are looked at when they are needed.
    var key: [UInt8] = []
    if isObject {
      try reader.members(limit: limit) { (reader) throws(DatasetError) in
        key.removeAll(keepingCapacity: true)
        try reader.key(into: &key)
        try reader.skipValue(depth: SavedObject.greatestDepth)
        count += 1
      }
    } else {
      try reader.array(limit: limit) { (reader) throws(DatasetError) in
        try reader.skipValue(depth: SavedObject.greatestDepth)
        count += 1
      }
    }
    return count
  }
}

/// What a `tokenizer.json` may ask for.
struct BPEDemands {
  typealias Reader = SavedObject.Reader

  let place: String

  init(_ place: String) { self.place = place }

  func require(_ isRight: Bool, _ key: String, _ expected: String) throws(DatasetError) {
    guard isRight else {
      throw DatasetError(
        at: "\(place), \(key)", expected: expected, found: "something else",
        remedy: "Use a tokenizer like GPT-2's, or train one: data.tokens=bpe.")
    }
  }

  /// Reads a value of the model's that is no table.
  func checkModel(_ key: String, _ reader: inout Reader) throws(DatasetError) {
    if reader.null() { return }
    switch key {
    case "type": try require(try reader.string() == "BPE", "model.type", "BPE")
    case "dropout": try require(try reader.number() == 0, "model.dropout", "none")
    case "continuing_subword_prefix", "end_of_word_suffix":
      try require(try reader.string().isEmpty, "model.\(key)", "none")
    case "byte_fallback", "ignore_merges": try require(try !reader.boolean(), "model.\(key)", "false")
    default: try reader.skipValue(depth: SavedObject.greatestDepth)
    }
  }

  /// Reads the `pre_tokenizer`.
  func addsPrefixSpace(_ reader: Reader?) throws(DatasetError) -> Bool {
    var (type, addsPrefixSpace, usesWords): (String?, Bool, Bool) = (nil, true, true)
    if var reader {
      try reader.object(limit: 64) { (reader, key) throws(DatasetError) in
        if reader.null() { return }
        switch key {
        case "type": type = try reader.string()
        case "add_prefix_space": addsPrefixSpace = try reader.boolean()
        case "use_regex": usesWords = try reader.boolean()
        default: try reader.skipValue(depth: SavedObject.greatestDepth)
        }
      }
    }
    try require(type == "ByteLevel", "pre_tokenizer.type", "ByteLevel")
    try require(usesWords, "pre_tokenizer.use_regex", "true, for GPT-2's words")
    return addsPrefixSpace
  }
}
