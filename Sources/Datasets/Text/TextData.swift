/// A text to train on and one to validate with, and the tokenizer of both.
public struct TextData: Sendable {
  public let training: TextWindows
  public let validation: TextWindows
  public let tokenizer: any Tokenizer
  /// What a perfect model's loss would be at most, in nats a character; of built-in text only.
  public let entropyRate: Double?

  /// Which windows are made of a text.
  public struct Windows: Sendable, Equatable {
    /// Tokens that a model sees at once.
    public var context: Int
    /// Tokens from one training window's beginning to the next one's.
    public var stride: Int
    /// The part of the tokens that is held out for validation: the last ones.
    public var fraction: Double

    public init(context: Int = 64, stride: Int = 1, fraction: Double = 0.1) {
      self.context = context
      self.stride = stride
      self.fraction = fraction
    }
  }

  /// Where the tokenizer comes from.
  public enum TokenizerSource: Sendable {
    /// Made for this text: for `characters` from those that occur in it, for `bpe` by training for so large
    /// a vocabulary.
    case new(TokenizerKind, vocabularySize: Int = 1024)
    /// Read from a file: a `tokenizer.json`, or what `SavedTokenizer.save` wrote.
    case file(String)
    /// The one that a model was trained with.
    case given(any Tokenizer)
  }

  /// Reads a file of text, gzipped or not, or all `.txt` and `.txt.gz` files of a folder one behind the
  /// other, in the order of their names.
  ///
  /// A new tokenizer is made from the whole text, the held-out part included, so that it knows all its
  /// characters. Throws where a file cannot be read, is not UTF-8 (but for bytes as tokens), has characters
  /// that the tokenizer lacks, or the text is too short for the windows.
  public static func load(
    at path: String, tokenizer source: TokenizerSource, windows: Windows = Windows()
  ) throws(DatasetError) -> TextData {
    try make(TextFiles.load(at: path), place: path, source, windows, entropyRate: nil)
  }

  /// The same for a text in memory, given as bytes.
  public static func make(
    from bytes: [UInt8], at place: String = "the text", tokenizer source: TokenizerSource,
    windows: Windows = Windows()
  ) throws(DatasetError) -> TextData {
    try make([(place, bytes)], place: place, source, windows, entropyRate: nil)
  }

  /// The same for text that the program writes itself.
  public static func builtIn(
    characters: Int = 1_000_000, seed: UInt64 = 1, tokenizer source: TokenizerSource,
    windows: Windows = Windows()
  ) throws(DatasetError) -> TextData {
    let text = BuiltInText.write(characters: characters, seed: seed)
    return try make(
      [("the built-in text", text.bytes)], place: "the built-in text", source, windows,
      entropyRate: text.entropyRate)
  }

  private static func make(
    _ texts: [(place: String, bytes: [UInt8])], place: String, _ source: TokenizerSource,
    _ windows: Windows, entropyRate: Double?
  ) throws(DatasetError) -> TextData {
    let tokenizer = try tokenizer(source, for: texts)
    var tokens: [Int32] = []
    for (place, bytes) in texts {
      let more = try tokenizer.encode(bytes, at: place)
      if tokens.isEmpty { tokens = more } else { tokens += more }
    }
    let (training, validation) = try TextWindows.split(
      tokens, vocabularySize: tokenizer.vocabularySize, context: windows.context,
      stride: windows.stride, fraction: windows.fraction, at: place)
    return TextData(
      training: training, validation: validation, tokenizer: tokenizer, entropyRate: entropyRate)
  }

  private static func tokenizer(
    _ source: TokenizerSource, for texts: [(place: String, bytes: [UInt8])]
  ) throws(DatasetError) -> any Tokenizer {
    switch source {
    case .new(.characters, _): try CharacterTokenizer(trainedOn: texts)
    case .new(.bytes, _): ByteTokenizer()
    case .new(.bpe, let size): try BPETokenizer.train(on: texts, vocabularySize: size)
    case .file(let path): try SavedTokenizer.load(at: path)
    case .given(let tokenizer): tokenizer
    }
  }
}

/// Both parts lie in the same tokens.
extension TextData: ShareableData {
  private struct Outline: Codable {
    let training: TextWindows.Outline
    let validation: TextWindows.Outline
    let tokenizer: String
    let entropyRate: Double?
  }

  public func add(to archive: inout DataArchive) {
    archive.add(
      Outline(
        training: training.outline, validation: validation.outline, tokenizer: tokenizer.serialized,
        entropyRate: entropyRate))
    training.tokens.add(to: &archive)
  }

  public init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    let outline = try archive.next(Outline.self)
    let tokens = try TokenMemory(from: &archive)
    training = try TextWindows(outline.training, of: tokens)
    validation = try TextWindows(outline.validation, of: tokens)
    tokenizer = try SavedTokenizer.read(outline.tokenizer)
    entropyRate = outline.entropyRate
  }
}
