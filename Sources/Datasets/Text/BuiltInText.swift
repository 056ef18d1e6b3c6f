import TensorCore

/// English-like text that the program writes itself: for first steps and tests, without files or a network.
///
/// Paragraphs of three kinds by a small grammar. Prose has subjects with which their verbs agree over what
/// stands between, two people who stay the same for a paragraph, speech, asides in nested parentheses, made-up
/// words that are repeated, and lists told backwards. Verse rhymes. Sums are right, some with nested
/// parentheses. So there is something to learn at every range, from letters to a paragraph.
///
/// Paragraph i depends on nothing but (seed, i), so a longer text begins with the shorter one. All characters
/// are ASCII, about 60 different ones.
public struct BuiltInText: Sendable {
  /// The text in ASCII, a byte a character.
  public let bytes: [UInt8]
  /// The information of all choices that made the text, in nats a character.
  ///
  /// A text tells which choices made it, so this is what is new in it: the loss of a model that knows the
  /// grammar and sees the whole text before. Divided by ln 2 it is in bits.
  public let entropyRate: Double

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Writes a text of so many characters; the last paragraph is cut off where they end.
  public static func write(characters: Int, seed: UInt64 = 1) -> BuiltInText {
    precondition(characters > 0, "a text of \(characters) characters")
    func stream(_ paragraph: Int) -> RandomStream {
      // Step 2: the digits have 0 and 1.
      RandomStream(seed: seed, purpose: .builtInData, step: 2, sample: UInt64(paragraph))
    }
    var pen = TextPen(stream(0))
    var paragraph = 0
    while pen.bytes.count < characters {
      pen.turn(to: stream(paragraph))
      TextGrammar.paragraph(&pen)
      paragraph += 1
    }
    return BuiltInText(
      bytes: Array(pen.bytes.prefix(characters)),
      entropyRate: pen.information / Double(pen.bytes.count))
  }
}
