import TensorCore

/// Text to learn to continue: each sample is a window of tokens, and for each of them the next one is to be
/// told.
///
/// Inputs are token numbers as floats, [context]; labels are [context] too, each the token that follows the
/// input at its place. Window i begins at token i · stride: with a stride of 1 and shuffled batches a window
/// begins anywhere, with a stride of `context` every token is told once.
public struct TextWindows: Dataset {
  /// Tokens of one window.
  public let context: Int
  /// Tokens from one window's beginning to the next one's.
  public let stride: Int
  /// Tokens to choose from.
  public let vocabularySize: Int
  /// The number of windows.
  public let count: Int

  let tokens: TokenMemory
  /// The part of the tokens that is used: windows lie in it whole, labels included.
  let range: Range<Int>

  /// Windows over tokens of 0..<vocabularySize. What is left at the end, fewer than `stride` tokens, is told
  /// by none.
  ///
  /// Throws where there are fewer than `context` + 1 tokens.
  public init(
    _ tokens: [Int32], vocabularySize: Int, context: Int, stride: Int = 1, at place: String = "the text"
  ) throws(DatasetError) {
    precondition(tokens.allSatisfy { 0..<Int32(vocabularySize) ~= $0 }, "tokens are of the vocabulary")
    try self.init(
      TokenMemory(tokens, vocabularySize: vocabularySize), tokens.indices,
      vocabularySize: vocabularySize, context: context, stride: stride, at: place)
  }

  init(
    _ tokens: TokenMemory, _ range: Range<Int>, vocabularySize: Int, context: Int, stride: Int,
    at place: String
  ) throws(DatasetError) {
    precondition(context > 0 && stride > 0, "windows of \(context) tokens, \(stride) apart")
    guard range.count > context else {
      throw DatasetError(
        at: place, expected: "more than \(context) tokens, for a window of \(context) and what follows it",
        found: "\(range.count) tokens", remedy: "Name a longer text, or choose a shorter data.context.")
    }
    self.tokens = tokens
    self.range = range
    self.vocabularySize = vocabularySize
    self.context = context
    self.stride = stride
    count = (range.count - context - 1) / stride + 1
  }

  /// The number of tokens in the text that the windows lie in.
  public var tokenCount: Int { range.count }

  /// Splits a text in two: the last part for validation, in windows that tell each of its tokens once, and
  /// all before it for training, in windows `stride` apart.
  ///
  /// The validation part is about `fraction` of the tokens: a multiple of `context`, at least one window,
  /// whose first input is the last token of the training part. Throws where the text is too short, or
  /// either part would be empty.
  public static func split(
    _ tokens: [Int32], vocabularySize: Int, context: Int, stride: Int = 1, fraction: Double = 0.1,
    at place: String = "the text"
  ) throws(DatasetError) -> (training: TextWindows, validation: TextWindows) {
    precondition(tokens.allSatisfy { 0..<Int32(vocabularySize) ~= $0 }, "tokens are of the vocabulary")
    precondition(context > 0, "windows of \(context) tokens")
    guard fraction > 0, fraction < 1 else {
      throw DatasetError(
        at: "the part of the text held out for validation", expected: "a fraction between 0 and 1",
        found: "\(fraction)", remedy: "Choose a fraction such as 0.1.")
    }
    let windows = max(1, Int((Double(tokens.count) * fraction / Double(context)).rounded()))
    let held = windows * context
    guard tokens.count - held > context else {
      throw DatasetError(
        at: place,
        expected: "more than \(held + context) tokens: \(held) for validation, and for training a window"
          + " of \(context) and what follows it",
        found: "\(tokens.count) tokens",
        remedy: "Name a longer text, or choose a shorter data.context or a smaller data.fraction.")
    }
    let memory = TokenMemory(tokens, vocabularySize: vocabularySize)
    let border = tokens.count - held
    return (
      try TextWindows(
        memory, 0..<border, vocabularySize: vocabularySize, context: context, stride: stride, at: place),
      try TextWindows(
        memory, border - 1..<tokens.count, vocabularySize: vocabularySize, context: context,
        stride: context, at: place)
    )
  }

  public var inputShape: [Int] { [context] }
  public var target: Target { .classes(vocabularySize, perSample: context) }

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    guard let labels = targets.labels else { preconditionFailure("text has labels") }
    for (row, sample) in samples.enumerated() {
      precondition(sample >= 0 && sample < count, "there is no window \(sample)")
      tokens.copy(
        from: range.lowerBound + sample * stride, count: context, inputs: inputs + row * context,
        labels: labels + row * context)
    }
  }

  public func digest() -> String {
    var hash = ContentHash()
    hash.add([stride, vocabularySize])
    tokens.add(range, to: &hash)
    return digest(hash: hash)
  }
}
