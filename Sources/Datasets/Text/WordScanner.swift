/// Splits text into the words within which byte-pair encoding merges: GPT-2's rule, as a scanner.
///
/// Radford et al., "Language models are unsupervised multitask learners" (2019), split by the pattern
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// that is: endings of English contractions; runs of letters, of numbers, or of anything else that is no
/// white space, each with one space before it; and runs of white space, which leave their last character
/// to what follows them.
struct WordScanner {
  private let text: UnsafeBufferPointer<UInt8>
  private var position: Int
  private let end: Int

  /// Scans a part of valid UTF-8 as if there were nothing before and behind it.
  init(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
    self.text = text
    position = range.lowerBound
    end = range.upperBound
  }

  /// The bytes of the next word; nil at the end. The words together are the whole text.
  mutating func next() -> Range<Int>? {
    guard position < end else { return nil }
    let start = position
    if let length = contraction() {
      position += length
      return start..<position
    }
    var (kind, length) = kind(at: start)
    if text[start] == 0x20, start + 1 < end {
      let following = self.kind(at: start + 1)
      if following.kind != .space {
        position += 1
        (kind, length) = following
      }
    }
    var last = position
    repeat {
      last = position
      position += length
      guard position < end else { break }
      let following = self.kind(at: position)
      guard following.kind == kind else {
        // White space before something else leaves its last character to it, unless that is all it has.
        if kind == .space, last > start { position = last }
        break
      }
      length = following.length
    } while true
    return start..<position
  }

  /// The length of the contraction's ending that begins here.
  private func contraction() -> Int? {
    guard text[position] == UInt8(ascii: "'"), position + 1 < end else { return nil }
    switch text[position + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"): return follows(UInt8(ascii: "e")) ? 3 : nil
    case UInt8(ascii: "l"): return follows(UInt8(ascii: "l")) ? 3 : nil
    default: return nil
    }
  }

  private func follows(_ letter: UInt8) -> Bool { position + 2 < end && text[position + 2] == letter }

  // MARK: Kinds of characters

  private enum Kind: UInt8 { case other, letter, number, space }

  @inline(__always)
  private func kind(at offset: Int) -> (kind: Kind, length: Int) {
    let first = text[offset]
    if first < 0x80 { return (Self.kind(ascii: first), 1) }
    let (value, length) = UTF8Text.scalar(text, at: offset)
    return (Self.kind(value), length)
  }

  @inline(__always)
  private static func kind(ascii byte: UInt8) -> Kind {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): .letter
    case UInt8(ascii: "0")...UInt8(ascii: "9"): .number
    case 0x20, 0x09...0x0D: .space
    default: .other
    }
  }

  private static func kind(_ value: UInt32) -> Kind {
    guard let properties = Unicode.Scalar(value)?.properties else { return .other }
    return switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
    case .decimalNumber, .letterNumber, .otherNumber: .number
    default: properties.isWhitespace ? .space : .other
    }
  }
}
