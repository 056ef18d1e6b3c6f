/// What makes a byte-level BPE tokenizer: checked, and with numbers in place of names.
struct BPERules {
  /// The bytes of each token.
  var contents: [[UInt8]]
  /// The merges, the first to be applied first.
  var pairs: [TokenPair]
  /// What each pair becomes.
  var results: [Int32]
  var addedTokens: [BPETokenizer.AddedToken]
  var addsPrefixSpace: Bool

  init(
    contents: [[UInt8]], pairs: [TokenPair], results: [Int32], addedTokens: [BPETokenizer.AddedToken],
    addsPrefixSpace: Bool
  ) {
    self.contents = contents
    self.pairs = pairs
    self.results = results
    self.addedTokens = addedTokens
    self.addsPrefixSpace = addsPrefixSpace
  }

  /// Takes the rules out of a file. Throws where it asks for more than byte-level BPE, or contradicts
  /// itself.
  init(_ file: TokenizerFile, at place: String) throws(DatasetError) {
    try Self.checkKind(file, at: place)
    addsPrefixSpace = file.pre_tokenizer?.add_prefix_space ?? true
    addedTokens = try Self.addedTokens(file, at: place)
    contents = try Self.contents(file, addedTokens, at: place)
    pairs = []
    results = []
    try readMerges(file, at: place)
  }

  private static func checkKind(_ file: TokenizerFile, at place: String) throws(DatasetError) {
    func require(_ isRight: Bool, _ key: String, _ expected: String) throws(DatasetError) {
      guard isRight else {
        throw DatasetError(
          at: "\(place), \(key)", expected: expected, found: "something else",
          remedy: "Use a tokenizer like GPT-2's, or train one: data.tokens=bpe.")
      }
    }
    let model = file.model
    try require(model.type == nil || model.type == "BPE", "model.type", "BPE")
    try require(file.normalizer == nil, "normalizer", "none")
    try require(file.pre_tokenizer?.type == "ByteLevel", "pre_tokenizer.type", "ByteLevel")
    try require(
      file.pre_tokenizer?.use_regex ?? true, "pre_tokenizer.use_regex", "true, for GPT-2's words")
    try require((model.dropout ?? 0) == 0, "model.dropout", "none")
    try require((model.continuing_subword_prefix ?? "").isEmpty, "model.continuing_subword_prefix", "none")
    try require((model.end_of_word_suffix ?? "").isEmpty, "model.end_of_word_suffix", "none")
    try require(!(model.byte_fallback ?? false), "model.byte_fallback", "false")
    try require(!(model.ignore_merges ?? false), "model.ignore_merges", "false")
    for token in file.added_tokens ?? [] {
      let isPlain = ![token.lstrip, token.rstrip, token.single_word].contains(true)
      try require(isPlain, "added_tokens \(token.id)", "lstrip, rstrip and single_word to be false")
    }
  }

  private static func addedTokens(
    _ file: TokenizerFile, at place: String
  ) throws(DatasetError) -> [BPETokenizer.AddedToken] {
    var tokens: [BPETokenizer.AddedToken] = []
    var seen: Set<[UInt8]> = []
    for token in file.added_tokens ?? [] {
      guard let id = Int32(exactly: token.id), id >= 0, !token.content.isEmpty,
        token.content.utf8.count <= AddedTokenFinder.longestContent,
        seen.insert(Array(token.content.utf8)).inserted
      else {
        throw DatasetError(
          at: "\(place), added_tokens",
          expected: "each with an id from 0 up and a content of its own, of at most "
            + "\(AddedTokenFinder.longestContent) bytes",
          found: "id \(token.id) for \(token.content.debugDescription)", remedy: "Correct the file.")
      }
      tokens.append(.init(content: token.content, token: id, isSpecial: token.special ?? false))
    }
    return tokens
  }

  /// The bytes of tokens 0..<n, where n is how many there are.
  private static func contents(
    _ file: TokenizerFile, _ added: [BPETokenizer.AddedToken], at place: String
  ) throws(DatasetError) -> [[UInt8]] {
    var names: [Int: [UInt8]] = [:]
    for token in added {
      guard names.updateValue(Array(token.content.utf8), forKey: Int(token.token)) == nil else {
        throw wrongNumbers("two added tokens with the id \(token.token)", at: place)
      }
    }
    let addedIDs = Set(names.keys)
    let addedContents = Set(names.values)
    // In the order of the names, so that the same file always gives the same message.
    for (name, id) in file.model.vocab.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
      if addedIDs.contains(id) {
        guard names[id] == Array(name.utf8) else {
          throw wrongNumbers("two tokens with the id \(id), one of them \(name.debugDescription)", at: place)
        }
        continue
      }
      // Else the file that is written of it would have one name twice.
      guard !addedContents.contains(Array(name.utf8)) else {
        throw wrongNumbers("\(name.debugDescription) with the id \(id) and, added, with another", at: place)
      }
      guard let bytes = ByteAlphabet.bytes(of: name), !bytes.isEmpty else {
        throw DatasetError(
          at: "\(place), model.vocab", expected: "tokens of the characters that stand for bytes",
          found: name.debugDescription, remedy: "Use a tokenizer with byte-level BPE.")
      }
      guard names.updateValue(bytes, forKey: id) == nil else {
        throw wrongNumbers("two tokens with the id \(id), one of them \(name.debugDescription)", at: place)
      }
    }
    var contents: [[UInt8]] = []
    for id in 0..<names.count {
      guard let bytes = names[id] else {
        throw wrongNumbers("\(names.count) tokens, but none with the id \(id)", at: place)
      }
      contents.append(bytes)
    }
    guard !contents.isEmpty else { throw wrongNumbers("no tokens", at: place) }
    return contents
  }

  private mutating func readMerges(_ file: TokenizerFile, at place: String) throws(DatasetError) {
    var seen: Set<TokenPair> = []
    for (rank, rule) in file.model.merges.enumerated() {
      let names = [rule.left, rule.right, rule.left + rule.right]
      let ids = names.map { name in file.model.vocab[name].flatMap { Int32(exactly: $0) } }
      guard let left = ids[0], let right = ids[1], let result = ids[2] else {
        let missing = zip(names, ids).first { $0.1 == nil }?.0 ?? ""
        throw DatasetError(
          at: "\(place), model.merges, number \(rank)", expected: "tokens of model.vocab",
          found: "\(missing.debugDescription), which it lacks", remedy: "Correct the file.")
      }
      guard seen.insert(TokenPair(left, right)).inserted else {
        throw DatasetError(
          at: "\(place), model.merges, number \(rank)", expected: "each pair once",
          found: "\(rule.left.debugDescription) and \(rule.right.debugDescription) again",
          remedy: "Correct the file.")
      }
      pairs.append(TokenPair(left, right))
      results.append(result)
    }
  }

  private static func wrongNumbers(_ found: String, at place: String) -> DatasetError {
    DatasetError(
      at: "\(place), model.vocab", expected: "ids from 0 up without gaps, each once", found: found,
      remedy: "Correct the file.")
  }
}
