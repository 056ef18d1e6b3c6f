import TensorCore

/// Reads CSV text row by row, as RFC 4180 has it: fields may stand in quotes, and then hold delimiters, line
/// breaks, and quotes written twice.
///
/// Lines end in LF or CR LF; a byte-order mark at the front is passed over, as are empty lines.
struct CSVReader {
  let path: String
  /// The row that was read last, counted from 1, with the header and with empty lines.
  private(set) var row = 0
  /// Of the row that was read last.
  private(set) var fields: [Field] = []

  /// Where a field lies.
  struct Field {
    /// Without its quotes.
    let range: Range<Int>
    let isQuoted: Bool
    /// Whether quotes written twice stand in it.
    let hasDoubledQuotes: Bool
  }

  private let bytes: [UInt8]
  private let delimiter: UInt8
  private var index = 0

  /// Bounds what a line of nothing but delimiters can cost.
  private static let mostFields = 1 << 17
  private static let quote = UInt8(ascii: "\"")
  private static let lineFeed: UInt8 = 10
  private static let carriageReturn: UInt8 = 13

  init(_ bytes: [UInt8], delimiter: Character, path: String) throws(DatasetError) {
    guard let byte = delimiter.asciiValue, byte != Self.quote, byte != Self.lineFeed else {
      throw DatasetError(
        at: path, expected: "one ASCII character between fields, such as ',' or ';'",
        found: "'\(delimiter)'", remedy: "Choose another delimiter.")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw DatasetError(
        at: path, expected: "text in UTF-8", found: "text in UTF-16",
        remedy: "Save the table as CSV in UTF-8.")
    }
    self.path = path
    self.bytes = bytes
    self.delimiter = byte
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
  }

  /// The bytes behind the row that was read last.
  var bytesLeft: Int { bytes.count - index }

  /// Reads the next row into `fields`; false at the end. Throws where quotes are wrong.
  mutating func next() throws(DatasetError) -> Bool {
    while index < bytes.count {
      row += 1
      if takeLineEnd() { continue }
      fields.removeAll(keepingCapacity: true)
      while true {
        guard fields.count < Self.mostFields else {
          throw wrong(
            "at most \(Self.mostFields) fields in a row", "more",
            "Save wide data as arrays, for data.name npy.")
        }
        fields.append(bytes[safe: index] == Self.quote ? try quotedField() : try plainField())
        if index == bytes.count || takeLineEnd() { return true }
        // What ends a field within a row is the delimiter.
        index += 1
      }
    }
    return false
  }

  /// A field of the last row as text, without its quotes; spaces around it are taken off where it has none.
  /// nil where it is not UTF-8.
  func text(_ column: Int) -> String? {
    let field = fields[column]
    var range = field.range
    if !field.isQuoted {
      while let first = range.first, bytes[first] == 32 || bytes[first] == 9 {
        range = first + 1..<range.upperBound
      }
      while let last = range.last, bytes[last] == 32 || bytes[last] == 9 { range = range.lowerBound..<last }
    }
    guard let text = String(validating: bytes[range], as: UTF8.self) else { return nil }
    return field.hasDoubledQuotes ? text.replacing("\"\"", with: "\"") : text
  }

  private mutating func plainField() throws(DatasetError) -> Field {
    let start = index
    while index < bytes.count {
      let byte = bytes[index]
      if byte == delimiter || byte == Self.lineFeed { break }
      if byte == Self.carriageReturn, bytes[safe: index + 1] == Self.lineFeed { break }
      guard byte != Self.quote else {
        throw wrong(
          "a quote only around a whole field", "one in the middle of a field",
          "Put the whole field into quotes, and write quotes in it twice.")
      }
      index += 1
    }
    return Field(range: start..<index, isQuoted: false, hasDoubledQuotes: false)
  }

  private mutating func quotedField() throws(DatasetError) -> Field {
    let start = index + 1
    var hasDoubledQuotes = false
    index = start
    while index < bytes.count {
      guard bytes[index] == Self.quote else {
        index += 1
        continue
      }
      guard bytes[safe: index + 1] == Self.quote else {
        let field = Field(range: start..<index, isQuoted: true, hasDoubledQuotes: hasDoubledQuotes)
        index += 1
        guard index == bytes.count || bytes[index] == delimiter || isAtLineEnd else {
          throw wrong(
            "the field's end behind its closing quote", "more text",
            "Write quotes within a field twice.")
        }
        return field
      }
      hasDoubledQuotes = true
      index += 2
    }
    throw wrong("a closing quote", "the end of the file", "Close the quote that begins in this row.")
  }

  private var isAtLineEnd: Bool {
    bytes[safe: index] == Self.lineFeed
      || bytes[safe: index] == Self.carriageReturn && bytes[safe: index + 1] == Self.lineFeed
  }

  private mutating func takeLineEnd() -> Bool {
    guard isAtLineEnd else { return false }
    index += bytes[index] == Self.lineFeed ? 1 : 2
    return true
  }

  private func wrong(_ expected: String, _ found: String, _ remedy: String) -> DatasetError {
    DatasetError(
      at: "\(path), row \(row), column \(fields.count + 1)", expected: expected, found: found,
      remedy: remedy)
  }
}

extension [UInt8] {
  /// nil beyond the end.
  fileprivate subscript(safe index: Int) -> UInt8? { index < count ? self[index] : nil }
}
