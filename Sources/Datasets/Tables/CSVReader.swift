import TensorCore

/// Reads CSV text row by row, as RFC 4180 has it: fields may stand in quotes, and then hold delimiters, line
/// breaks, and quotes written twice.
///
/// Lines end in LF or CR LF; a byte-order mark at the front is passed over, as are empty lines. Only the row that is being
/// read is kept in memory.
struct CSVReader {
  /// The row that was read last, counted from 1, with the header and with empty lines.
  private(set) var row = 0
  /// Of the row that was read last.
  private(set) var fields: [Field] = []

  /// Where a field lies.
  struct Field {
    /// Without its quotes; counted from the beginning of the row.
    let range: Range<Int>
    let isQuoted: Bool
    /// Whether quotes written twice stand in it.
    let hasDoubledQuotes: Bool
  }

  private let window: ByteWindow
  private let delimiter: UInt8
  /// Where the row begins in the window, and what is looked at next.
  private var start = 0
  private var index = 0

  /// Bounds what a line of nothing but delimiters can cost.
  private static let mostFields = 1 << 17
  /// Bounds what a row is kept in; a quoted field may hold anything.
  private static let longestRow = 16 << 20
  private static let quote = UInt8(ascii: "\"")
  private static let lineFeed: UInt8 = 10
  private static let carriageReturn: UInt8 = 13

  /// Opens a file, gzipped or not.
  init(_ path: String, delimiter: Character) throws(DatasetError) {
    window = try ByteWindow(path, longest: Self.longestRow)
    guard let byte = delimiter.asciiValue, byte != Self.quote, byte != Self.lineFeed else {
      throw DatasetError(
        at: path, expected: "one ASCII character between fields, such as ',' or ';'",
        found: "'\(delimiter)'", remedy: "Choose another delimiter.")
    }
    self.delimiter = byte
    _ = try window.advance(keepingFrom: 0)
    let beginning = UnsafeBufferPointer(start: window.memory, count: window.count)
    if beginning.starts(with: [0xFF, 0xFE]) || beginning.starts(with: [0xFE, 0xFF]) {
      throw DatasetError(
        at: path, expected: "text in UTF-8", found: "text in UTF-16",
        remedy: "Save the table as CSV in UTF-8.")
    }
    if beginning.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
  }

  var path: String { window.path }

  /// Reads the next row into `fields`; false at the end. Throws where quotes are wrong, and what reading a file throws.
  mutating func next() throws(DatasetError) -> Bool {
    start = index
    while try byte() != nil {
      row += 1
      if try takeLineEnd() {
        start = index
        continue
      }
      fields.removeAll(keepingCapacity: true)
      while true {
        guard fields.count < Self.mostFields else {
          throw wrong(
            "at most \(Self.mostFields) fields in a row", "more",
            "Save wide data as arrays, for data.name npy.")
        }
        fields.append(try byte() == Self.quote ? try quotedField() : try plainField())
        if try byte() == nil { return true }
        if try takeLineEnd() { return true }
        // What ends a field within a row is the delimiter.
        index += 1
      }
    }
    return false
  }

  /// The bytes of a field of the last row, without its quotes; spaces around it are taken off where it has none. Good until
  /// the next row is read.
  func bytes(_ column: Int) -> UnsafeBufferPointer<UInt8> {
    let field = fields[column]
    var (first, end) = (start + field.range.lowerBound, start + field.range.upperBound)
    if !field.isQuoted {
      while first < end, Self.isSpace(window.memory[first]) { first += 1 }
      while first < end, Self.isSpace(window.memory[end - 1]) { end -= 1 }
    }
    return UnsafeBufferPointer(start: window.memory + first, count: end - first)
  }

  /// The same as text; nil where it is not UTF-8.
  func text(_ column: Int) -> String? {
    let bytes = bytes(column)
    guard fields[column].hasDoubledQuotes else { return String(validating: bytes, as: UTF8.self) }
    var single: [UInt8] = []
    single.reserveCapacity(bytes.count)
    var isSecond = false
    for byte in bytes {
      isSecond = byte == Self.quote && !isSecond
      if byte != Self.quote || isSecond { single.append(byte) }
    }
    return String(validating: single, as: UTF8.self)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

  private mutating func plainField() throws(DatasetError) -> Field {
    let first = index - start
    let delimiter = delimiter
    while true {
      skip { $0 == delimiter || $0 == Self.lineFeed || $0 == Self.carriageReturn || $0 == Self.quote }
      guard let byte = try byte(), byte != delimiter, byte != Self.lineFeed else { break }
      if byte == Self.carriageReturn, try self.byte(ahead: 1) == Self.lineFeed { break }
      guard byte != Self.quote else {
        throw wrong(
          "a quote only around a whole field", "one in the middle of a field",
          "Put the whole field into quotes, and write quotes in it twice.")
      }
      // A carriage return alone, or the first byte of what was just read.
      index += 1
    }
    return Field(range: first..<index - start, isQuoted: false, hasDoubledQuotes: false)
  }

  private mutating func quotedField() throws(DatasetError) -> Field {
    index += 1
    let first = index - start
    var hasDoubledQuotes = false
    while let byte = try byte() {
      guard byte == Self.quote else {
        index += 1
        skip { $0 == Self.quote }
        continue
      }
      guard try self.byte(ahead: 1) == Self.quote else {
        let field = Field(
          range: first..<index - start, isQuoted: true, hasDoubledQuotes: hasDoubledQuotes)
        index += 1
        if try self.byte() == nil { return field }
        if try self.byte() == delimiter { return field }
        if try isAtLineEnd() { return field }
        throw wrong(
          "the field's end behind its closing quote", "more text",
          "Write quotes within a field twice.")
      }
      hasDoubledQuotes = true
      index += 2
    }
    throw wrong("a closing quote", "the end of the file", "Close the quote that begins in this row.")
  }

  private mutating func isAtLineEnd() throws(DatasetError) -> Bool {
    let byte = try byte()
    guard byte == Self.carriageReturn else { return byte == Self.lineFeed }
    return try self.byte(ahead: 1) == Self.lineFeed
  }

  private mutating func takeLineEnd() throws(DatasetError) -> Bool {
    guard try isAtLineEnd() else { return false }
    index += window.memory[index] == Self.lineFeed ? 1 : 2
    return true
  }

  /// Goes on to the next byte of a kind, at most to the end of what has been read of the file.
  @inline(__always) private mutating func skip(to isSought: (UInt8) -> Bool) {
    let (memory, end) = (window.memory, window.count)
    var place = index
    while place < end, !isSought(memory[place]) { place += 1 }
    index = place
  }

  /// The next byte, or one behind it; nil at the end of the file.
  @inline(__always) private mutating func byte(ahead: Int = 0) throws(DatasetError) -> UInt8? {
    if index + ahead >= window.count, try !readOn(ahead) { return nil }
    return window.memory[index + ahead]
  }

  /// Reads more of the file, the row staying where it can be looked at; false where there is no more.
  @inline(never) private mutating func readOn(_ ahead: Int) throws(DatasetError) -> Bool {
    guard window.canKeep(from: start) else {
      throw DatasetError(
        at: "\(path), row \(row)", expected: "a row of at most \(Self.longestRow >> 20) MiB",
        found: "a longer one",
        remedy: "Close the quote that is open in it, or save wide data as arrays, for data.name npy.")
    }
    let hasMore = try window.advance(keepingFrom: start)
    index -= start
    start = 0
    return hasMore && index + ahead < window.count
  }

  private func wrong(_ expected: String, _ found: String, _ remedy: String) -> DatasetError {
    DatasetError(
      at: "\(path), row \(row), column \(fields.count + 1)", expected: expected, found: found,
      remedy: remedy)
  }
}
