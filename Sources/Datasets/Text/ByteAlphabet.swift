/// The characters that stand for bytes in a byte-level BPE's files, so that every token can be printed.
///
/// GPT-2's table: bytes that are printable in Latin-1 stand for themselves, the others, in their order, are
/// U+0100 and up. A space is Ġ, a line feed Ċ.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...UInt8.max).map { byte in
      if isPrintable(byte) { return Unicode.Scalar(byte) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? "?"
    }
  }()

  /// The byte of each character, by its value.
  private static let bytes: [UInt32: UInt8] = {
    Dictionary(uniqueKeysWithValues: scalars.indices.map { (scalars[$0].value, UInt8($0)) })
  }()

  /// The bytes in the order of their characters.
  static let sorted: [UInt8] = (0...UInt8.max).sorted { scalars[Int($0)] < scalars[Int($1)] }

  /// The bytes that a text of these characters stands for; nil where another character is in it.
  static func bytes(of text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      guard let byte = Self.bytes[scalar.value] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// The text that stands for these bytes.
  static func text(of bytes: [UInt8]) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(scalars[Int(byte)]) }
    return String(text)
  }

  private static func isPrintable(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: true
    default: false
    }
  }
}
