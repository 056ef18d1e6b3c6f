/// Text as bytes of UTF-8, checked once and then read quickly.
enum UTF8Text {
  /// Throws where `bytes` are not UTF-8 (Unicode, table 3-7: neither overlong forms, nor surrogates, nor
  /// anything above U+10FFFF), and says at which byte.
  static func validate(_ bytes: UnsafeBufferPointer<UInt8>, at place: String) throws(DatasetError) {
    var offset = 0
    while offset < bytes.count {
      let length = sequenceLength(bytes, at: offset)
      guard length > 0 else {
        throw DatasetError(
          at: "\(place), byte \(offset) (counted from 0)", expected: "text in UTF-8",
          found: "the byte \(hexadecimal(bytes[offset], digits: 2)), which does not belong there",
          remedy: "Convert the file to UTF-8, or choose tokens that take any bytes: data.tokens=bytes.")
      }
      offset += length
    }
  }

  /// The scalar that begins at a byte of valid UTF-8, and its length in bytes.
  @inline(__always)
  static func scalar(
    _ bytes: UnsafeBufferPointer<UInt8>, at offset: Int
  ) -> (value: UInt32, length: Int) {
    let first = UInt32(bytes[offset])
    func low(_ index: Int) -> UInt32 { UInt32(bytes[offset + index] & 0x3F) }
    if first < 0x80 { return (first, 1) }
    if first < 0xE0 { return ((first & 0x1F) << 6 | low(1), 2) }
    if first < 0xF0 { return ((first & 0xF) << 12 | low(1) << 6 | low(2), 3) }
    return ((first & 0x7) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4)
  }

  /// Line and column, in Unicode scalars, of a byte; both count from 1.
  static func position(
    of offset: Int, in bytes: UnsafeBufferPointer<UInt8>
  ) -> (line: Int, column: Int) {
    var line = 1
    var column = 1
    for byte in bytes[..<offset] {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return (line, column)
  }

  /// A number as people write code points and bytes: `U+00E9` is "U+" and this with four digits.
  static func hexadecimal(_ value: some BinaryInteger, digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  /// The length of the sequence that begins at `offset`; 0 where it is not UTF-8.
  @inline(__always)
  private static func sequenceLength(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> Int {
    let first = bytes[offset]
    if first < 0x80 { return 1 }
    let (length, second): (Int, ClosedRange<UInt8>) =
      switch first {
      case 0xC2...0xDF: (2, 0x80...0xBF)
      case 0xE0: (3, 0xA0...0xBF)
      case 0xED: (3, 0x80...0x9F)
      case 0xE1...0xEF: (3, 0x80...0xBF)
      case 0xF0: (4, 0x90...0xBF)
      case 0xF1...0xF3: (4, 0x80...0xBF)
      case 0xF4: (4, 0x80...0x8F)
      default: (0, 0x80...0xBF)
      }
    guard length > 0, offset + length <= bytes.count, second ~= bytes[offset + 1] else { return 0 }
    for index in 2..<max(length, 2) where bytes[offset + index] & 0xC0 != 0x80 { return 0 }
    return length
  }
}
