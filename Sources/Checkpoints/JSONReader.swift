import TensorCore

/// Reads a narrow kind of JSON strictly: objects, arrays, strings and whole numbers from zero up.
///
/// The caller says what must come next (`object`, `array`, `string`, `integer`), so nothing is built that
/// it does not ask for, and nesting deeper than it asks for is refused where it begins: hostile text costs
/// neither stack nor memory. Duplicate keys, invalid UTF-8, lone surrogates, numbers with signs, fractions or
/// leading zeros, and text after the end are refused.
package struct JSONReader {
  /// The most bytes that one string may have: longer ones exist only in hostile files.
  static let longestString = 16 << 20

  private let bytes: [UInt8]
  private var position = 0
  private let place: String
  private let remedy: String

  /// - Parameters:
  ///   - place: What messages call this text, such as a path.
  ///   - remedy: What messages advise when it is wrong.
  package init(_ bytes: [UInt8], place: String, remedy: String) {
    self.bytes = bytes
    self.place = place
    self.remedy = remedy
  }

  // MARK: What may come next

  /// Reads an object of at most `limit` members; `member` must read the value of the key it is given.
  package mutating func object(
    limit: Int, _ member: (inout JSONReader, String) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try take("{", expected: "an object")
    if skip("}") { return }
    var keys = Set<String>()
    repeat {
      let start = position
      let key = try string("a key")
      guard keys.insert(key).inserted else {
        throw error(expected: "each key once", found: "\"\(key)\" again", at: start)
      }
      guard keys.count <= limit else {
        throw error(expected: "at most \(limit) members", found: "more", at: start)
      }
      try take(":", expected: "\":\" after the key \"\(key)\"")
      try member(&self, key)
    } while skip(",")
    try take("}", expected: "\",\" or \"}\"")
  }

  /// Reads an array of at most `limit` elements; `element` must read one of them.
  package mutating func array(
    limit: Int, _ element: (inout JSONReader) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try take("[", expected: "an array")
    if skip("]") { return }
    var count = 0
    repeat {
      guard count < limit else { throw error(expected: "at most \(limit) elements", found: "more") }
      try element(&self)
      count += 1
    } while skip(",")
    try take("]", expected: "\",\" or \"]\"")
  }

  /// Reads a whole number from 0 to `Int.max`.
  package mutating func integer(_ expected: String = "a whole number") throws(CheckpointError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, let digit = Self.value(ofDigit: bytes[position], radix: 10) {
      let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowedToo) = product.addingReportingOverflow(digit)
      guard !overflowed, !overflowedToo else {
        throw error(expected: "a number up to \(Int.max)", found: "a greater one", at: start)
      }
      value = sum
      position += 1
    }
    guard position > start else { throw error(expected: expected) }
    guard position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
      throw error(expected: expected, found: "a leading zero", at: start)
    }
    return value
  }

  /// Reads a string.
  package mutating func string(_ expected: String = "a string") throws(CheckpointError) -> String {
    try take("\"", expected: expected)
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      // A backslash hides the next byte, which may be a quotation mark.
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else {
      throw error(expected: "the string to end", found: "the end of the text", at: start)
    }
    let raw = bytes[start..<position]
    position += 1
    guard raw.count <= Self.longestString else {
      throw error(
        expected: "at most \(Self.longestString) bytes in a string", found: "\(raw.count)", at: start)
    }
    if let control = raw.firstIndex(where: { $0 < 0x20 }) {
      throw error(expected: "no control characters in a string", at: control)
    }
    let units = raw.contains(UInt8(ascii: "\\")) ? try unescaped(raw)[...] : raw
    guard let text = String(validating: units, as: UTF8.self) else {
      throw error(expected: "valid UTF-8", found: "other bytes", at: start)
    }
    return text
  }

  /// Says that nothing but white space may follow.
  package mutating func end() throws(CheckpointError) {
    skipSpace()
    guard position == bytes.count else { throw error(expected: "nothing after the end") }
  }

  /// An error at the place that was reached, or at `position`.
  package func error(
    expected: String, found: String? = nil, at position: Int? = nil
  ) -> CheckpointError {
    let position = position ?? self.position
    let next =
      position < bytes.count
      ? (0x21..<0x7f).contains(bytes[position])
        ? "\"\(Character(UnicodeScalar(bytes[position])))\"" : "byte \(bytes[position])"
      : "the end of the text"
    return CheckpointError(
      at: "\(place), byte \(position) of its JSON", expected: expected, found: found ?? next,
      remedy: remedy)
  }

  // MARK: Pieces

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  private mutating func skip(_ symbol: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: symbol) else { return false }
    position += 1
    return true
  }

  private mutating func take(_ symbol: Unicode.Scalar, expected: String) throws(CheckpointError) {
    guard skip(symbol) else { throw error(expected: expected) }
  }

  private static func value(ofDigit byte: UInt8, radix: Int) -> Int? {
    let value: Int
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = Int(byte) - 0x30
    case UInt8(ascii: "a")...UInt8(ascii: "f"): value = Int(byte) - 0x61 + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): value = Int(byte) - 0x41 + 10
    default: return nil
    }
    return value < radix ? value : nil
  }

  /// The bytes that a string with escapes stands for.
  private func unescaped(_ raw: ArraySlice<UInt8>) throws(CheckpointError) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    var index = raw.startIndex
    while index < raw.endIndex {
      guard raw[index] == UInt8(ascii: "\\") else {
        result.append(raw[index])
        index += 1
        continue
      }
      let escape = index
      // The scan for the closing mark took two bytes for every backslash, so one follows.
      let kind = raw[index + 1]
      index += 2
      switch kind {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(kind)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0c)
      case UInt8(ascii: "n"): result.append(0x0a)
      case UInt8(ascii: "r"): result.append(0x0d)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        var code = try fourDigits(raw, at: &index)
        // Beyond the first 65,536 scalars two escapes stand for one: a high surrogate, then a low one.
        if code & 0xfc00 == 0xd800, index + 1 < raw.endIndex, raw[index] == UInt8(ascii: "\\"),
          raw[index + 1] == UInt8(ascii: "u")
        {
          index += 2
          let low = try fourDigits(raw, at: &index)
          code = low & 0xfc00 == 0xdc00 ? 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff) : 0xd800
        }
        guard let scalar = Unicode.Scalar(code) else {
          throw error(expected: "surrogates in pairs", found: "one alone", at: escape)
        }
        result.append(contentsOf: String(scalar).utf8)
      default: throw error(expected: "an escape of JSON", at: escape + 1)
      }
    }
    return result
  }

  private func fourDigits(
    _ raw: ArraySlice<UInt8>, at index: inout Int
  ) throws(CheckpointError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard index < raw.endIndex, let digit = Self.value(ofDigit: raw[index], radix: 16) else {
        throw error(expected: "four hexadecimal digits after \\u", at: index)
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}

extension [UInt8] {
  /// Appends a text as a JSON string: UTF-8, escaping only what must be escaped.
  package mutating func appendJSON(_ text: String) {
    append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(contentsOf: [UInt8(ascii: "\\"), byte])
      case 0x08: append(contentsOf: Array("\\b".utf8))
      case 0x09: append(contentsOf: Array("\\t".utf8))
      case 0x0a: append(contentsOf: Array("\\n".utf8))
      case 0x0c: append(contentsOf: Array("\\f".utf8))
      case 0x0d: append(contentsOf: Array("\\r".utf8))
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        append(contentsOf: Array(("\\u00" + (digits.count == 1 ? "0" : "") + digits).utf8))
      default: append(byte)
      }
    }
    append(UInt8(ascii: "\""))
  }
}
