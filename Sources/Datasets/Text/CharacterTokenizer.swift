/// A token for each Unicode scalar of a vocabulary, in the order of the code points.
///
/// Scalars, not what is seen as one character: a letter with a combining accent, an emoji of several parts
/// and CR LF are several tokens, so that the vocabulary stays small and any text comes back unchanged.
public struct CharacterTokenizer: Tokenizer, Equatable {
  /// Token i is the i-th of these.
  public let characters: [Unicode.Scalar]
  /// The tokens of the scalars below U+0800, −1 where there is none: what most texts consist of.
  private let common: [Int32]
  private let rare: [UInt32: Int32]

  /// The scalars that occur in text given as bytes of UTF-8. Throws where it is empty or not UTF-8.
  public init(trainedOn bytes: [UInt8], at place: String = "the text") throws(DatasetError) {
    try self.init(trainedOn: [(place, bytes)])
  }

  /// The scalars that occur in several texts, each with what messages call it.
  package init(trainedOn texts: [(place: String, bytes: [UInt8])]) throws(DatasetError) {
    var isCommon = [Bool](repeating: false, count: 0x800)
    var others: Set<UInt32> = []
    for (place, bytes) in texts {
      try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
        try UTF8Text.validate(bytes, at: place)
        var offset = 0
        while offset < bytes.count {
          let (value, length) = UTF8Text.scalar(bytes, at: offset)
          if value < 0x800 { isCommon[Int(value)] = true } else { others.insert(value) }
          offset += length
        }
      }
    }
    let values = isCommon.indices.filter { isCommon[$0] }.map(UInt32.init) + others.sorted()
    guard !values.isEmpty else {
      throw DatasetError(
        at: texts.first?.place ?? "the text", expected: "text to take the characters from",
        found: "an empty text", remedy: "Name a file with text.")
    }
    self.init(sorted: values.compactMap(Unicode.Scalar.init))
  }

  public init(serialized: String) throws(DatasetError) {
    try self.init(serialized: serialized, at: "a saved tokenizer")
  }

  init(serialized: String, at place: String) throws(DatasetError) {
    try self.init(SavedObject(Array(serialized.utf8), at: place))
  }

  init(_ saved: SavedObject) throws(DatasetError) {
    guard try saved.kind() == .characters else { throw saved.wrongKind(.characters) }
    let characters = try saved.text("characters").unicodeScalars
    guard !characters.isEmpty, zip(characters, characters.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw DatasetError(
        at: saved.place, expected: "its characters, each once, in the order of their code points",
        found: characters.isEmpty ? "none" : "another order",
        remedy: "Take the tokenizer as it was saved with the model.")
    }
    self.init(sorted: Array(characters))
  }

  private init(sorted characters: [Unicode.Scalar]) {
    self.characters = characters
    var common = [Int32](repeating: -1, count: 0x800)
    var rare: [UInt32: Int32] = [:]
    for (token, character) in characters.enumerated() {
      if character.value < 0x800 {
        common[Int(character.value)] = Int32(token)
      } else {
        rare[character.value] = Int32(token)
      }
    }
    self.common = common
    self.rare = rare
  }

  public var kind: TokenizerKind { .characters }
  public var vocabularySize: Int { characters.count }

  public var serialized: String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: characters)
    return SavedTokenizer.encode(SavedTokenizer.Simple(tokenizer: .characters, characters: String(text)))
  }

  public func encode(_ bytes: [UInt8], at place: String) throws(DatasetError) -> [Int32] {
    try bytes.withUnsafeBufferPointer { (bytes) throws(DatasetError) in
      try UTF8Text.validate(bytes, at: place)
      var tokens: [Int32] = []
      tokens.reserveCapacity(bytes.count)
      var offset = 0
      while offset < bytes.count {
        let (value, length) = UTF8Text.scalar(bytes, at: offset)
        let token = value < 0x800 ? common[Int(value)] : rare[value] ?? -1
        guard token >= 0 else { throw unknown(value, at: offset, of: bytes, place) }
        tokens.append(token)
        offset += length
      }
      return tokens
    }
  }

  public func bytes(of token: Int32) -> [UInt8] {
    precondition(0..<Int32(characters.count) ~= token, "there is no token \(token)")
    return Array(UTF8.encode(characters[Int(token)]) ?? UTF8.encodedReplacementCharacter)
  }

  private func unknown(
    _ value: UInt32, at offset: Int, of bytes: UnsafeBufferPointer<UInt8>, _ place: String
  ) -> DatasetError {
    let (line, column) = UTF8Text.position(of: offset, in: bytes)
    let code = "U+\(UTF8Text.hexadecimal(value, digits: 4))"
    // What cannot be seen, such as a tab or an accent that would join the quote, is named by its code only.
    let scalar = Unicode.Scalar(value)
    let isVisible: Bool =
      switch scalar?.properties.generalCategory {
      case .control, .format, .nonspacingMark, .enclosingMark, .spacingMark, .unassigned, .privateUse,
        .lineSeparator, .paragraphSeparator, .surrogate, nil:
        false
      default: true
      }
    let character = scalar.map { isVisible ? "“\(Character($0))” (\(code))" : code } ?? code
    return DatasetError(
      at: "\(place), line \(line), column \(column)",
      expected: "one of the \(characters.count) characters that the tokenizer knows", found: character,
      remedy:
        "Remove or replace the character, or train with tokens that know every text: data.tokens=bytes.")
  }
}
