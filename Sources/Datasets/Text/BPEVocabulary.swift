import TensorCore

/// Reads the vocabulary and the merges of a `tokenizer.json`, in which tokens go by names: their bytes, each written as a
/// character.
struct BPEVocabulary {
  private(set) var contents: TokenContents
  private let model: BPEModel
  private let added: AddedTokens
  private let place: String
  /// The added tokens that are in the vocabulary, too, where merges may name them.
  private var addedWithin: Set<Int32> = []
  private var index: TokenIndex
  /// The bytes that a name stands for; the memory is kept from name to name.
  private var content: [UInt8] = []

  init(_ model: BPEModel, added: AddedTokens, at place: String) {
    (self.model, self.added, self.place) = (model, added, place)
    contents = TokenContents(
      count: model.tokenCount + added.tokens.count, byteCount: model.vocabularySize)
    index = TokenIndex(count: model.tokenCount)
  }

  /// Finds the bytes of tokens 0..<n, where n is how many there are.
  mutating func read() throws(DatasetError) {
    var reader = model.vocabulary
    var name: [UInt8] = []
    var isBeyond = false
    try reader.members(limit: BPEModel.mostTokens) { (reader) throws(DatasetError) in
      name.removeAll(keepingCapacity: true)
      try reader.key(into: &name)
      let id = try reader.integer("a token's id")
      try add(name, id: id, isBeyond: &isBeyond)
    }
    let count = model.tokenCount + added.tokens.count - addedWithin.count
    for token in added.tokens {
      if token.token < contents.count {
        // Those of an added token stand for themselves.
        contents.put(Array(token.content.utf8), at: Int(token.token))
      } else {
        isBeyond = true
      }
    }
    let isWhole = (0..<count).allSatisfy { !contents[$0].isEmpty }
    guard isWhole, !isBeyond else {
      let missing = (0..<count).first { contents[$0].isEmpty } ?? count
      throw Self.wrongNumbers("\(count) tokens, but none with the id \(missing)", at: place)
    }
    guard count > 0 else { throw Self.wrongNumbers("no tokens", at: place) }
    contents.cut(to: count)
  }

  private mutating func add(_ name: [UInt8], id: Int, isBeyond: inout Bool) throws(DatasetError) {
    if let token = added.token(id) {
      guard name.elementsEqual(token.content.utf8) else {
        throw Self.wrongNumbers("two tokens with the id \(id), one of them \(Self.quoted(name))", at: place)
      }
      guard addedWithin.insert(token.token).inserted else { throw twice(name) }
      return
    }
    // Else the file that is written of it would have one name twice.
    guard added.finder.token(of: name) == nil else {
      throw Self.wrongNumbers("\(Self.quoted(name)) with the id \(id) and, added, with another", at: place)
    }
    guard ByteAlphabet.decode(name, to: &content), !content.isEmpty else {
      throw DatasetError(
        at: "\(place), model.vocab", expected: "tokens of the characters that stand for bytes",
        found: Self.quoted(name), remedy: "Use a tokenizer with byte-level BPE.")
    }
    guard index.token(content, in: contents) == nil else { throw twice(name) }
    guard id < contents.count else {
      // As many as there are have no place beyond, so another one is missing.
      isBeyond = true
      return
    }
    guard contents[id].isEmpty else {
      throw Self.wrongNumbers("two tokens with the id \(id), one of them \(Self.quoted(name))", at: place)
    }
    contents.put(content, at: id)
    _ = index.insert(Int32(id), content, in: contents)
  }

  /// Reads the merges, after the vocabulary.
  mutating func merges() throws(DatasetError) -> MergeTable {
    var table = MergeTable(count: model.mergeCount)
    var reader = model.merges
    var (left, right): ([UInt8], [UInt8]) = ([], [])
    try reader.array(limit: BPEModel.mostMerges) { (reader) throws(DatasetError) in
      try Self.merge(&reader, &left, &right)
      let pair = TokenPair(
        try token(left, inMerge: table.count), try token(right, inMerge: table.count))
      guard table[pair] == nil else {
        throw DatasetError(
          at: "\(place), model.merges, number \(table.count)", expected: "each pair once",
          found: "\(Self.quoted(left)) and \(Self.quoted(right)) again", remedy: "Correct the file.")
      }
      left += right
      table.append(pair, result: try token(left, inMerge: table.count))
    }
    return table
  }

  /// Reads two names, written as `["a", "b"]` or, in older files, as `"a b"`.
  private static func merge(
    _ reader: inout SavedObject.Reader, _ left: inout [UInt8], _ right: inout [UInt8]
  ) throws(DatasetError) {
    left.removeAll(keepingCapacity: true)
    right.removeAll(keepingCapacity: true)
    var count = 0
    if reader.isNext("\"") {
      try reader.string(into: &left)
      count = left.count { $0 == 0x20 } + 1
      if count == 2, let space = left.firstIndex(of: 0x20) {
        right += left[(space + 1)...]
        left.removeSubrange(space...)
      }
    } else {
      try reader.array(limit: 2) { (reader) throws(DatasetError) in
        if count == 0 { try reader.string(into: &left) } else { try reader.string(into: &right) }
        count += 1
      }
    }
    guard count == 2 else { throw reader.error(expected: "a merge of two tokens", found: "\(count)") }
  }

  /// The token of a name in the vocabulary.
  private mutating func token(_ name: [UInt8], inMerge number: Int) throws(DatasetError) -> Int32 {
    if !addedWithin.isEmpty, let token = added.finder.token(of: name), addedWithin.contains(token) {
      return token
    }
    if ByteAlphabet.decode(name, to: &content), let token = index.token(content, in: contents) {
      return token
    }
    throw DatasetError(
      at: "\(place), model.merges, number \(number)", expected: "tokens of model.vocab",
      found: "\(Self.quoted(name)), which it lacks", remedy: "Correct the file.")
  }

  private func twice(_ name: [UInt8]) -> DatasetError {
    DatasetError(
      at: "\(place), model.vocab", expected: "each token once", found: "\(Self.quoted(name)) again",
      remedy: "Correct the file.")
  }

  static func wrongNumbers(_ found: String, at place: String) -> DatasetError {
    DatasetError(
      at: "\(place), model.vocab", expected: "ids from 0 up without gaps, each once", found: found,
      remedy: "Correct the file.")
  }

  /// A name for a message, which shows the beginning of a long one.
  private static func quoted(_ name: [UInt8]) -> String {
    String(decoding: name.prefix(2048), as: UTF8.self).debugDescription
  }
}
