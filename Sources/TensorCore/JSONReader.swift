/// Reads JSON strictly, value by value.
///
/// The caller says what must come next (`object`, `array`, `string`, `integer`), or passes it over (`skipValue`), so
/// nothing is built that it does not ask for, and nesting deeper than it asks for is refused where it begins: hostile text
/// costs neither stack nor memory. Duplicate keys, invalid UTF-8, lone surrogates, whole numbers with fractions or leading
/// zeros, and text after the end are refused. A copy of a reader goes on by itself where the other one was.
package struct JSONReader<Failure: DiagnosedError> {
  /// The most bytes that one string may have: longer ones exist only in hostile files.
  package static var longestString: Int { 16 << 20 }

  private let bytes: [UInt8]
  /// The bytes that have been read.
  package private(set) var position = 0
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

  /// The same reader, whose messages call the text something else.
  package func renamed(_ place: String) -> JSONReader {
    var other = JSONReader(bytes, place: place, remedy: remedy)
    other.position = position
    return other
  }

  // MARK: What may come next

  /// Reads an object of at most `limit` members; `member` must read the value of the key it is given.
  package mutating func object(
    limit: Int, _ member: (inout JSONReader, String) throws(Failure) -> Void
  ) throws(Failure) {
    var keys = Set<String>()
    try members(limit: limit) { (reader) throws(Failure) in
      reader.skipSpace()
      let start = reader.position
      let key = try reader.string("a key")
      guard keys.insert(key).inserted else {
        throw reader.error(expected: "each key once", found: "\"\(key)\" again", at: start)
      }
      try reader.take(":", expected: "\":\" after the key \"\(key)\"")
      try member(&reader, key)
    }
  }

  /// Reads an object of at most `limit` members; `member` must read a key (`key`) and its value, and find out whether
  /// that was there before.
  package mutating func members(
    limit: Int, _ member: (inout JSONReader) throws(Failure) -> Void
  ) throws(Failure) {
    try take("{", expected: "an object")
    if skip("}") { return }
    var count = 0
    repeat {
      guard count < limit else { throw error(expected: "at most \(limit) members", found: "more") }
      try member(&self)
      count += 1
    } while skip(",")
    try take("}", expected: "\",\" or \"}\"")
  }

  /// Reads a key of an object, appends its bytes, and takes the colon. The text must be known to be UTF-8.
  package mutating func key(into buffer: inout [UInt8]) throws(Failure) {
    try string(into: &buffer, "a key")
    try take(":", expected: "\":\" after a key")
  }

  /// Reads an array of at most `limit` elements; `element` must read one of them.
  package mutating func array(
    limit: Int, _ element: (inout JSONReader) throws(Failure) -> Void
  ) throws(Failure) {
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
  package mutating func integer(_ expected: String = "a whole number") throws(Failure) -> Int {
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
    if position < bytes.count, ".eE".utf8.contains(bytes[position]) {
      throw error(expected: expected, found: "one with a fraction or an exponent", at: start)
    }
    return value
  }

  /// Reads a whole number from `-Int.max` to `Int.max`.
  package mutating func signedInteger() throws(Failure) -> Int {
    skipSpace()
    guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "-"),
      Self.value(ofDigit: bytes[position + 1], radix: 10) != nil
    else { return try integer() }
    position += 1
    return -(try integer())
  }

  /// Reads any number; one beyond all of them is infinite.
  package mutating func number() throws(Failure) -> Double {
    skipSpace()
    let start = position
    try skipNumber()
    return Double(String(decoding: bytes[start..<position], as: UTF8.self)) ?? .nan
  }

  /// Reads `true` or `false`.
  package mutating func boolean() throws(Failure) -> Bool {
    if takeWord("true") { return true }
    if takeWord("false") { return false }
    throw error(expected: "true or false")
  }

  /// Takes `null`, if that comes next.
  package mutating func null() -> Bool { takeWord("null") }

  /// Whether a value begins with this symbol, such as a string with a quotation mark.
  package mutating func isNext(_ symbol: Unicode.Scalar) -> Bool {
    skipSpace()
    return position < bytes.count && bytes[position] == UInt8(ascii: symbol)
  }

  /// Passes over a value of any kind, with at most `depth` levels of brackets.
  package mutating func skipValue(depth: Int) throws(Failure) {
    skipSpace()
    guard position < bytes.count else { throw error(expected: "a value") }
    switch bytes[position] {
    case UInt8(ascii: "\""): _ = try rawString("a value")
    case UInt8(ascii: "["):
      try skipElements(depth: depth, end: "]") { (_) throws(Failure) in }
    case UInt8(ascii: "{"):
      try skipElements(depth: depth, end: "}") { (reader) throws(Failure) in
        _ = try reader.rawString("a key")
        try reader.take(":", expected: "\":\" after a key")
      }
    case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try boolean()
    default: if !null() { try skipNumber() }
    }
  }

  /// Passes over what stands between brackets; `key` does so before each value.
  private mutating func skipElements(
    depth: Int, end: Unicode.Scalar, key: (inout JSONReader) throws(Failure) -> Void
  ) throws(Failure) {
    guard depth > 0 else { throw error(expected: "fewer levels of brackets", found: "one more") }
    position += 1
    if skip(end) { return }
    repeat {
      try key(&self)
      try skipValue(depth: depth - 1)
    } while skip(",")
    try take(end, expected: "\",\" or \"\(end)\"")
  }

  /// Reads a string.
  package mutating func string(_ expected: String = "a string") throws(Failure) -> String {
    let raw = try rawString(expected)
    let start = raw.lowerBound
    let units = hasEscapes(raw) ? try unescaped(bytes[raw])[...] : bytes[raw]
    guard let text = String(validating: units, as: UTF8.self) else {
      throw error(expected: "valid UTF-8", found: "other bytes", at: start)
    }
    return text
  }

  /// Reads a string and appends its bytes. The text must be known to be UTF-8.
  package mutating func string(
    into buffer: inout [UInt8], _ expected: String = "a string"
  ) throws(Failure) {
    let raw = try rawString(expected)
    if hasEscapes(raw) { buffer += try unescaped(bytes[raw]) } else { buffer += bytes[raw] }
  }

  /// Says that nothing but white space may follow.
  package mutating func end() throws(Failure) {
    skipSpace()
    guard position == bytes.count else { throw error(expected: "nothing after the end") }
  }

  /// An error at the place that was reached, or at `position`.
  package func error(
    expected: String, found: String? = nil, at position: Int? = nil
  ) -> Failure {
    let position = position ?? self.position
    let next =
      position < bytes.count
      ? (0x21..<0x7f).contains(bytes[position])
        ? "\"\(Character(UnicodeScalar(bytes[position])))\"" : "byte \(bytes[position])"
      : "the end of the text"
    return Failure(
      at: "\(place), byte \(position) of its JSON", expected: expected, found: found ?? next,
      remedy: remedy)
  }

  // MARK: Pieces

  /// What stands between a string's marks.
  private mutating func rawString(_ expected: String) throws(Failure) -> Range<Int> {
    try take("\"", expected: expected)
    let start = position
    var control: Int?
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      if bytes[position] < 0x20 { control = control ?? position }
      // A backslash hides the next byte, which may be a quotation mark.
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else {
      throw error(expected: "the string to end", found: "the end of the text", at: start)
    }
    let raw = start..<position
    position += 1
    guard raw.count <= Self.longestString else {
      throw error(
        expected: "at most \(Self.longestString) bytes in a string", found: "\(raw.count)", at: start)
    }
    if let control { throw error(expected: "no control characters in a string", at: control) }
    return raw
  }

  private func hasEscapes(_ raw: Range<Int>) -> Bool { bytes[raw].contains(UInt8(ascii: "\\")) }

  private mutating func skipNumber() throws(Failure) {
    func digits() -> Bool {
      let start = position
      while position < bytes.count, Self.value(ofDigit: bytes[position], radix: 10) != nil { position += 1 }
      return position > start
    }
    func take(_ symbol: Unicode.Scalar) -> Bool {
      guard position < bytes.count, bytes[position] == UInt8(ascii: symbol) else { return false }
      position += 1
      return true
    }
    skipSpace()
    _ = take("-")
    let start = position
    guard digits() else { throw error(expected: "a value") }
    guard position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
      throw error(expected: "a number", found: "a leading zero", at: start)
    }
    if take("."), !digits() { throw error(expected: "digits") }
    if take("e") || take("E") {
      if !take("-") { _ = take("+") }
      guard digits() else { throw error(expected: "digits") }
    }
  }

  private mutating func takeWord(_ word: StaticString) -> Bool {
    skipSpace()
    let isNext = word.withUTF8Buffer { word in
      guard position + word.count <= bytes.count else { return false }
      return word.indices.allSatisfy { bytes[position + $0] == word[$0] }
    }
    if isNext { position += word.utf8CodeUnitCount }
    return isNext
  }

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

  private mutating func take(_ symbol: Unicode.Scalar, expected: String) throws(Failure) {
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
  private func unescaped(_ raw: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
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
  ) throws(Failure) -> UInt32 {
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
