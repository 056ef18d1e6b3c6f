/// Byte-level byte-pair encoding, as GPT-2 has it: frequent sequences of bytes are tokens of their own.
///
/// Text is split into words (`WordScanner`), a word into its bytes, and neighbours are merged by the rules
/// that training found, the earliest found first (Sennrich et al., "Neural machine translation of rare words
/// with subword units", ACL 2016). Reads the `tokenizer.json` of Hugging Face's tokenizers, and gives the
/// same tokens as they do without a post-processor's additions.
public struct BPETokenizer: Tokenizer {
  /// A token that stands for one whole text and is found before anything else, such as `<|endoftext|>`.
  public struct AddedToken: Sendable, Equatable {
    public let content: String
    public let token: Int32
    /// Whether it marks something and is no text.
    public let isSpecial: Bool
  }

  /// The bytes of each token.
  private let contents: TokenContents
  /// The token of each byte; −1 where there is none.
  private let byteTokens: [Int32]
  private let merges: MergeTable
  public let addedTokens: [AddedToken]
  /// Whether a text that does not begin with a space gets one.
  public let addsPrefixSpace: Bool
  private let finder: AddedTokenFinder

  /// Reads `serialized`, or the contents of a `tokenizer.json`. Throws where it is not byte-level BPE or
  /// contradicts itself.
  public init(serialized: String) throws(DatasetError) {
    try self.init(serialized: serialized, at: "a saved tokenizer")
  }

  init(serialized: String, at place: String) throws(DatasetError) {
    self.init(try BPERules(SavedObject(Array(serialized.utf8), at: place)))
  }

  /// Finds the rules in a text, given as bytes of UTF-8: byte by byte at first, and then the most frequent
  /// pair of neighbours becomes a token, over and over.
  ///
  /// Deterministic: of equally frequent pairs the one with the lower tokens is taken. The tokens are the
  /// `specialTokens`, the 256 bytes, and the merged pairs, so there are fewer than `vocabularySize`, if no
  /// pair comes `minimumFrequency` times any more. Throws where the text is empty or not UTF-8, or the
  /// vocabulary has no room for the bytes.
  public static func train(
    on bytes: [UInt8], vocabularySize: Int, minimumFrequency: Int = 2, specialTokens: [String] = [],
    at place: String = "the text"
  ) throws(DatasetError) -> BPETokenizer {
    try train(
      on: [(place, bytes)], vocabularySize: vocabularySize, minimumFrequency: minimumFrequency,
      specialTokens: specialTokens)
  }

  package static func train(
    on texts: [(place: String, bytes: [UInt8])], vocabularySize: Int, minimumFrequency: Int = 2,
    specialTokens: [String] = []
  ) throws(DatasetError) -> BPETokenizer {
    var trainer = try BPETrainer(
      texts, vocabularySize: vocabularySize, minimumFrequency: minimumFrequency,
      specialTokens: specialTokens)
    return BPETokenizer(trainer.run())
  }

  init(_ rules: BPERules) {
    contents = rules.contents
    merges = rules.merges
    addedTokens = rules.addedTokens
    addsPrefixSpace = rules.addsPrefixSpace
    var byteTokens = [Int32](repeating: -1, count: 256)
    let added = Set(rules.addedTokens.map(\.token))
    for token in 0..<contents.count where contents[token].count == 1 && !added.contains(Int32(token)) {
      for byte in contents[token] { byteTokens[Int(byte)] = Int32(token) }
    }
    self.byteTokens = byteTokens
    finder = AddedTokenFinder(rules.addedTokens)
  }

  public var kind: TokenizerKind { .bpe }
  public var vocabularySize: Int { contents.count }

  /// A `tokenizer.json`.
  public var serialized: String {
    let added = Dictionary(uniqueKeysWithValues: addedTokens.map { ($0.token, $0.content) })
    let names = (0..<contents.count).map { token in
      added[Int32(token)] ?? ByteAlphabet.text(of: contents[token])
    }
    return SavedTokenizer.encode(
      TokenizerFile(
        names: names, pairs: merges.pairs, addedTokens: addedTokens, addsPrefixSpace: addsPrefixSpace))
  }

  public func bytes(of token: Int32) -> [UInt8] {
    precondition(0..<Int32(contents.count) ~= token, "there is no token \(token)")
    return Array(contents[Int(token)])
  }

  public func encode(_ bytes: [UInt8], at place: String) throws(DatasetError) -> [Int32] {
    try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
      try UTF8Text.validate(bytes, at: place)
      var output = Output()
      output.tokens.reserveCapacity(bytes.count / 3)
      var position = 0
      while position < bytes.count {
        let found = finder.first(in: bytes, from: position)
        try encode(bytes, position..<(found?.range.lowerBound ?? bytes.count), to: &output, at: place)
        if let found { output.tokens.append(found.token) }
        position = found?.range.upperBound ?? bytes.count
      }
      return output.tokens
    }
  }

  // MARK: Words

  /// What encoding writes, and what it remembers of words it has seen.
  private struct Output {
    /// A text of many different words must not fill the memory with them.
    static let mostWords = 1 << 20
    static let longestWord = 64

    var tokens: [Int32] = []
    var merger = WordMerger()
    var word: [Int32] = []
    var words = WordTable()
    /// Where in `tokens` the tokens of each known word lie.
    var ranges: [Range<Int>] = []
  }

  /// Encodes a part in which there are no added tokens.
  private func encode(
    _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, to output: inout Output, at place: String
  ) throws(DatasetError) {
    guard !range.isEmpty else { return }
    var range = range
    if addsPrefixSpace, bytes[range.lowerBound] != 0x20 {
      // The space belongs to the first word, so that one is put together.
      var scanner = WordScanner(bytes, range)
      guard let first = scanner.next() else { return }
      let joined = [0x20] + bytes[first]
      try joined.withUnsafeBufferPointer { (joined) throws(DatasetError) in
        var scanner = WordScanner(joined, joined.indices)
        while let word = scanner.next() { try encodeWord(joined, word, to: &output, at: place) }
      }
      range = first.upperBound..<range.upperBound
    }
    var scanner = WordScanner(bytes, range)
    while let word = scanner.next() { try encodeWord(bytes, word, to: &output, at: place) }
  }

  private func encodeWord(
    _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, to output: inout Output, at place: String
  ) throws(DatasetError) {
    let start = output.tokens.count
    var isKept = false
    if range.count <= Output.longestWord, output.words.count < Output.mostWords {
      let (index, isNew) = output.words.number(UnsafeBufferPointer(rebasing: bytes[range]))
      if !isNew {
        for known in output.ranges[index] { output.tokens.append(output.tokens[known]) }
        return
      }
      isKept = true
    }
    guard range.count <= WordMerger.longestWord else {
      throw DatasetError(
        at: place, expected: "words of at most \(WordMerger.longestWord >> 20) MiB",
        found: "one of \(range.count) bytes",
        remedy:
          "Check that this is text with spaces, or choose tokens that take any bytes: data.tokens=bytes.")
    }
    output.word.removeAll(keepingCapacity: true)
    for offset in range {
      let token = byteTokens[Int(bytes[offset])]
      guard token >= 0 else {
        let (line, column) = UTF8Text.position(of: offset, in: bytes)
        throw DatasetError(
          at: "\(place), line \(line), column \(column)",
          expected: "bytes that the tokenizer's vocabulary has",
          found: "the byte \(UTF8Text.hexadecimal(bytes[offset], digits: 2))",
          remedy: "Train a tokenizer that begins with all 256 bytes, or remove the character.")
      }
      output.word.append(token)
    }
    output.merger.merge(&output.word, by: merges)
    output.tokens.append(contentsOf: output.word)
    if isKept { output.ranges.append(start..<output.tokens.count) }
  }
}
