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

  /// The byte of each character, by its value; nil where it stands for none.
  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x200)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  /// The bytes in the order of their characters.
  static let sorted: [UInt8] = (0...UInt8.max).sorted { scalars[Int($0)] < scalars[Int($1)] }

  /// Replaces `bytes` by those that a text of these characters, given in UTF-8, stands for; false where another
  /// character is in it.
  static func decode(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) -> Bool {
    bytes.removeAll(keepingCapacity: true)
    var first: UInt8?
    for unit in text {
      let value: Int
      if let lead = first {
        // The last of them is U+0143, so none has more than two bytes.
        value = Int(lead & 0x1F) << 6 | Int(unit & 0x3F)
        first = nil
      } else if unit < 0x80 {
        value = Int(unit)
      } else if 0xC2...0xC7 ~= unit {
        first = unit
        continue
      } else {
        return false
      }
      guard let byte = Self.bytes[value] else { return false }
      bytes.append(byte)
    }
    return first == nil
  }

  /// The text that stands for these bytes.
  static func text(of bytes: some Sequence<UInt8>) -> String {
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
