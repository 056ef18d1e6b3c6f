import TensorCore

/// The added tokens of a `tokenizer.json`, in their order, by their ids and by their contents.
struct AddedTokens {
  private(set) var tokens: [BPETokenizer.AddedToken] = []
  private(set) var finder = AddedTokenFinder()
  /// Where each id is in `tokens`.
  private var places: [Int32: Int] = [:]

  /// Tokenizers have some, or some hundred.
  private static let mostTokens = 1 << 16

  init() {}

  init(_ file: SavedObject, _ demands: BPEDemands) throws(DatasetError) {
    guard var reader = file["added_tokens"] else { return }
    var byteCount = 0
    try reader.array(limit: Self.mostTokens) { (reader) throws(DatasetError) in
      let (id, content, isSpecial) = try Self.token(&reader, demands)
      byteCount += content.utf8.count
      guard byteCount <= AddedTokenFinder.mostBytes else {
        throw reader.error(
          expected: "added tokens of at most \(AddedTokenFinder.mostBytes >> 20) MiB together",
          found: "more")
      }
      guard let token = Int32(exactly: id), id >= 0, !content.isEmpty,
        content.utf8.count <= AddedTokenFinder.longestContent, finder.token(of: content.utf8) == nil
      else {
        throw DatasetError(
          at: "\(file.place), added_tokens",
          expected: "each with an id from 0 up and a content of its own, of at most "
            + "\(AddedTokenFinder.longestContent) bytes",
          found: "id \(id) for \(content.debugDescription)", remedy: "Correct the file.")
      }
      guard places.updateValue(tokens.count, forKey: token) == nil else {
        throw BPEVocabulary.wrongNumbers("two added tokens with the id \(token)", at: file.place)
      }
      tokens.append(.init(content: content, token: token, isSpecial: isSpecial))
      finder.insert(tokens[tokens.count - 1])
    }
  }

  private static func token(
    _ reader: inout SavedObject.Reader, _ demands: BPEDemands
  ) throws(DatasetError) -> (id: Int, content: String, isSpecial: Bool) {
    var (id, content): (Int?, String?)
    var isSpecial = false
    var isPlain = true
    try reader.object(limit: 64) { (reader, key) throws(DatasetError) in
      if reader.null() { return }
      switch key {
      case "id": id = try reader.signedInteger()
      case "content": content = try reader.string()
      case "special": isSpecial = try reader.boolean()
      case "lstrip", "rstrip", "single_word": if try reader.boolean() { isPlain = false }
      default: try reader.skipValue(depth: SavedObject.greatestDepth)
      }
    }
    guard let id, let content else {
      throw reader.error(expected: "an added token's id and content", found: "not both")
    }
    try demands.require(isPlain, "added_tokens \(id)", "lstrip, rstrip and single_word to be false")
    return (id, content, isSpecial)
  }

  /// The added token with an id.
  func token(_ id: Int) -> BPETokenizer.AddedToken? {
    Int32(exactly: id).flatMap { places[$0] }.map { tokens[$0] }
  }
}
