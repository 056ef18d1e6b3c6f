import TensorCore

/// The outermost object of a saved tokenizer. It is looked through once, and what its keys stand for is read when somebody
/// asks for it: nothing is made of values that nobody needs.
struct SavedObject {
  typealias Reader = JSONReader<DatasetError>

  /// What messages call it.
  let place: String
  /// Where the values of the keys begin.
  private var values: [String: Reader] = [:]

  private static let mostKeys = 1024
  /// The deepest nesting that is passed over.
  static let greatestDepth = 32
  private static let remedy = "Name the file of a tokenizer, tokenizer.json."

  /// - Parameter bytes: UTF-8. Throws where they are too many or not an object in JSON.
  init(_ bytes: [UInt8], at place: String) throws(DatasetError) {
    self.place = place
    guard bytes.count <= SavedTokenizer.greatestSize else {
      throw DatasetError(
        at: place, expected: "a tokenizer of at most \(SavedTokenizer.greatestSize >> 20) MiB",
        found: "\(bytes.count) bytes", remedy: Self.remedy)
    }
    var reader = Reader(bytes, place: place, remedy: Self.remedy)
    guard reader.isNext("{") else {
      throw reader.error(expected: "a tokenizer in JSON, as Lockstep or Hugging Face's tokenizers write it")
    }
    var values: [String: Reader] = [:]
    try reader.object(limit: Self.mostKeys) { (reader, key) throws(DatasetError) in
      values[key] = reader.renamed("\(place), \(key)")
      try reader.skipValue(depth: Self.greatestDepth)
    }
    try reader.end()
    self.values = values
  }

  /// The value of a key, to be read; nil where there is none, or null.
  subscript(key: String) -> Reader? {
    guard var reader = values[key], !reader.null() else { return nil }
    return reader
  }

  /// The text of a key, empty where there is none.
  func text(_ key: String) throws(DatasetError) -> String {
    guard var reader = self[key] else { return "" }
    return try reader.string()
  }

  /// What it says to be; nil where it says nothing, as a `tokenizer.json` does.
  func kind() throws(DatasetError) -> TokenizerKind? {
    guard var reader = self["tokenizer"] else { return nil }
    let name = try reader.string()
    guard let kind = TokenizerKind(rawValue: name) else {
      let known = TokenizerKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw reader.error(expected: "one of \(known)", found: "\"\(name.prefix(40))\"")
    }
    return kind
  }

  func wrongKind(_ kind: TokenizerKind) -> DatasetError {
    DatasetError(
      at: place, expected: "a tokenizer of the kind \(kind.rawValue)", found: "another kind",
      remedy: "Take the tokenizer as it was saved with the model.")
  }

  /// What is said where a key is missing.
  func lacks(_ key: String) -> DatasetError {
    DatasetError(
      at: place, expected: "a tokenizer in JSON, as Lockstep or Hugging Face's tokenizers write it",
      found: "no \(key)", remedy: Self.remedy)
  }
}
