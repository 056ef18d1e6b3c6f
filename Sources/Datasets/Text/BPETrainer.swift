/// Finds the merges of a byte-level BPE tokenizer: `BPETokenizer.train`.
///
/// Words are counted once, and each merge changes only the words that hold its pair. What is chosen is the
/// most frequent pair, of equally frequent ones the one with the lower tokens, as Hugging Face's trainer
/// does, so both find the same merges.
struct BPETrainer {
  /// A pair in the queue, with the frequency it had when it was put there.
  private struct Candidate: Comparable {
    let count: Int
    let pair: TokenPair

    static func < (one: Candidate, other: Candidate) -> Bool {
      one.count != other.count ? one.count > other.count : one.pair < other.pair
    }
  }

  private let vocabularySize: Int
  private let minimumFrequency: Int
  private var words: [[Int32]] = []
  private var wordCounts: [Int] = []
  private var pairCounts: [TokenPair: Int] = [:]
  /// The words in which a pair is or has been.
  private var places: [TokenPair: [Int32]] = [:]
  private var queue = PriorityQueue<Candidate>()
  private var rules: BPERules
  private var tokens: [[UInt8]: Int32] = [:]

  init(
    _ texts: [(place: String, bytes: [UInt8])], vocabularySize: Int, minimumFrequency: Int,
    specialTokens: [String]
  ) throws(DatasetError) {
    let least = 256 + specialTokens.count
    guard least...1 << 20 ~= vocabularySize else {
      throw DatasetError(
        at: "the size of a tokenizer's vocabulary",
        expected: "\(least) to \(1 << 20): the 256 bytes and the special tokens have to fit",
        found: "\(vocabularySize)", remedy: "Choose a size such as 1024.")
    }
    precondition(specialTokens.allSatisfy { !$0.isEmpty }, "a special token needs a text")
    precondition(Set(specialTokens).count == specialTokens.count, "special tokens differ")
    self.vocabularySize = vocabularySize
    self.minimumFrequency = max(minimumFrequency, 1)
    let added = specialTokens.enumerated().map { token, content in
      BPETokenizer.AddedToken(content: content, token: Int32(token), isSpecial: true)
    }
    rules = BPERules(addedTokens: added, addsPrefixSpace: false)
    for content in specialTokens.map({ Array($0.utf8) }) + ByteAlphabet.sorted.map({ [$0] }) {
      rules.contents.append(content)
    }
    for token in specialTokens.count..<least { tokens[Array(rules.contents[token])] = Int32(token) }
    try countWords(texts)
  }

  /// Finds all merges.
  mutating func run() -> BPERules {
    countPairs()
    while rules.contents.count < vocabularySize, let candidate = queue.removeFirst() {
      let count = pairCounts[candidate.pair] ?? 0
      guard count == candidate.count else {
        if count > 0 { queue.insert(Candidate(count: count, pair: candidate.pair)) }
        continue
      }
      if count < minimumFrequency { break }
      merge(candidate.pair)
    }
    return rules
  }

  private mutating func countWords(
    _ texts: [(place: String, bytes: [UInt8])]
  ) throws(DatasetError) {
    var table = WordTable()
    for (place, bytes) in texts {
      try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
        try UTF8Text.validate(bytes, at: place)
        var scanner = WordScanner(bytes, bytes.indices)
        while let range = scanner.next() {
          let (index, isNew) = table.number(UnsafeBufferPointer(rebasing: bytes[range]))
          if isNew { wordCounts.append(0) }
          wordCounts[index] += 1
        }
      }
    }
    guard table.count > 0 else {
      throw DatasetError(
        at: texts.first?.place ?? "the text", expected: "text to train a tokenizer on",
        found: "an empty text", remedy: "Name a file with text.")
    }
    let byteTokens = (0...UInt8.max).map { tokens[[$0]] ?? 0 }
    words = (0..<table.count).map { index in
      table.bytes[table.range(index)].map { byteTokens[Int($0)] }
    }
  }

  private mutating func countPairs() {
    for (index, word) in words.enumerated() {
      for (left, right) in zip(word, word.dropFirst()) {
        let pair = TokenPair(left, right)
        pairCounts[pair, default: 0] += wordCounts[index]
        note(Int32(index), holds: pair)
      }
    }
    for (pair, count) in pairCounts { queue.insert(Candidate(count: count, pair: pair)) }
  }

  private mutating func note(_ index: Int32, holds pair: TokenPair) {
    // Words come in their order, so a repeated one is the last.
    if places[pair]?.last != index { places[pair, default: []].append(index) }
  }

  private mutating func merge(_ pair: TokenPair) {
    let bytes = Array(rules.contents[Int(pair.left)]) + rules.contents[Int(pair.right)]
    // The same bytes can arise from two pairs: they are one token.
    let token = tokens[bytes] ?? Int32(rules.contents.count)
    if tokens[bytes] == nil {
      tokens[bytes] = token
      rules.contents.append(bytes)
    }
    rules.merges.append(pair, result: token)
    var changed: Set<TokenPair> = []
    for index in places.removeValue(forKey: pair) ?? [] {
      replace(pair, by: token, inWord: Int(index), &changed)
    }
    pairCounts[pair] = nil
    for pair in changed {
      if let count = pairCounts[pair], count > 0 { queue.insert(Candidate(count: count, pair: pair)) }
    }
  }

  private mutating func replace(
    _ pair: TokenPair, by token: Int32, inWord index: Int, _ changed: inout Set<TokenPair>
  ) {
    let old = words[index]
    var new: [Int32] = []
    new.reserveCapacity(old.count)
    var position = 0
    while position < old.count {
      let isPair =
        position + 1 < old.count && old[position] == pair.left && old[position + 1] == pair.right
      new.append(isPair ? token : old[position])
      position += isPair ? 2 : 1
    }
    guard new.count < old.count else { return }
    words[index] = new
    let count = wordCounts[index]
    for (left, right) in zip(old, old.dropFirst()) { pairCounts[TokenPair(left, right)]? -= count }
    for (left, right) in zip(new, new.dropFirst()) {
      let neighbours = TokenPair(left, right)
      pairCounts[neighbours, default: 0] += count
      if left == token || right == token {
        note(Int32(index), holds: neighbours)
        changed.insert(neighbours)
      }
    }
  }
}
