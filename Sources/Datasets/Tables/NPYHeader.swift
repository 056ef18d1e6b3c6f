import TensorCore

/// What stands before the elements of an NPY file.
struct NPYHeader {
  var element = NPYArray.Element.float32
  var isBigEndian = false
  var isFortranOrder = false
  var shape: [Int] = []
  /// Bytes before the first element.
  let size: Int

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Far more than any array of plain numbers needs.
  private static let greatestSize = 1 << 16
  private static let greatestRank = 32

  /// Reads the header, and nothing behind it.
  init(_ source: ByteSource) throws(DatasetError) {
    let path = source.path
    var file = try source.bytes(upTo: 10)
    guard file.count >= 10, file.starts(with: Self.magic) else {
      throw DatasetError(
        at: path, expected: "an NPY file, which begins with 93 and NUMPY",
        found: file.isEmpty ? "an empty file" : "another beginning",
        remedy: "Save the array with numpy.save (one array a file; .npz is not read).")
    }
    guard 1...3 ~= file[6], file[7] == 0 else {
      throw DatasetError(
        at: path, expected: "NPY version 1.0, 2.0 or 3.0", found: "version \(file[6]).\(file[7])",
        remedy: "Save the array again with numpy.save.")
    }
    let lengthBytes = file[6] == 1 ? 2 : 4
    let start = 8 + lengthBytes
    file += try source.bytes(upTo: start - file.count)
    guard file.count >= start else { throw Self.short(path, start, file.count) }
    let length = file[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= Self.greatestSize else {
      throw DatasetError(
        at: path, expected: "a header of at most \(Self.greatestSize) bytes", found: "one of \(length)",
        remedy: "The file is damaged, or holds no plain numbers: save it again.")
    }
    size = start + length
    file += try source.bytes(upTo: length)
    guard file.count >= size else { throw Self.short(path, size, file.count) }
    var parser = Parser(text: file[start..<size], path: path)
    let entries = try parser.dictionary()
    guard let descr = entries["descr"], let order = entries["fortran_order"], let shape = entries["shape"],
      entries.count == 3
    else {
      throw parser.wrong(
        "the keys descr, fortran_order and shape", entries.keys.sorted().joined(separator: ", "))
    }
    guard case .text(let type) = descr else {
      throw parser.wrong("plain numbers", "a type of several fields")
    }
    try take(type: type, path: path)
    guard case .truth(let isFortran) = order else {
      throw parser.wrong("fortran_order as True or False", "something else")
    }
    isFortranOrder = isFortran
    guard case .numbers(let dimensions) = shape, dimensions.count <= Self.greatestRank else {
      throw parser.wrong("shape as up to \(Self.greatestRank) numbers in brackets", "something else")
    }
    self.shape = dimensions
  }

  private mutating func take(type: String, path: String) throws(DatasetError) {
    guard let order = type.first, "<>|=".contains(order),
      let element = NPYArray.Element(rawValue: String(type.dropFirst())), order != "|" || element.size == 1
    else {
      throw DatasetError(
        at: path, expected: "whole numbers, booleans or floats of up to 64 bits",
        found: type.hasSuffix("O") ? "Python objects, which are never read" : "elements of type \(type)",
        remedy: "Save it as numbers: numpy.save(path, array.astype('float32')).")
    }
    self.element = element
    isBigEndian = order == ">"
  }

  private static func short(_ path: String, _ wanted: Int, _ found: Int) -> DatasetError {
    DatasetError(
      at: path, expected: "an NPY header of \(wanted) bytes", found: "only \(found) bytes",
      remedy: "The file was cut short: fetch or save it again.")
  }

  /// What a key of the header can stand for.
  private enum Value {
    case text(String)
    case truth(Bool)
    case numbers([Int])
  }

  /// Reads the little of Python's notation that headers are written in.
  private struct Parser {
    let text: ArraySlice<UInt8>
    let path: String
    private var index: Int

    init(text: ArraySlice<UInt8>, path: String) {
      self.text = text
      self.path = path
      index = text.startIndex
    }

    func wrong(_ expected: String, _ found: String) -> DatasetError {
      DatasetError(
        at: "\(path), header", expected: expected, found: found,
        remedy: "Save the array again with numpy.save, as plain numbers.")
    }

    mutating func dictionary() throws(DatasetError) -> [String: Value] {
      try require("{")
      var entries: [String: Value] = [:]
      while !take("}") {
        let key = try string()
        try require(":")
        guard entries.updateValue(try value(), forKey: key) == nil else {
          throw wrong("each key once", "\(key) twice")
        }
        if !take(",") {
          try require("}")
          break
        }
      }
      skipSpace()
      guard index == text.endIndex else { throw wrong("the end of the dictionary", "more behind it") }
      return entries
    }

    private mutating func value() throws(DatasetError) -> Value {
      skipSpace()
      guard index < text.endIndex else { throw wrong("a value", "the end") }
      switch text[index] {
      case UInt8(ascii: "'"), UInt8(ascii: "\""): return .text(try string())
      case UInt8(ascii: "("): return .numbers(try tuple())
      case UInt8(ascii: "["): throw wrong("plain numbers", "a type of several fields")
      default:
        if takeWord("True") { return .truth(true) }
        if takeWord("False") { return .truth(false) }
        throw wrong("a text, True, False or numbers in brackets", "something else")
      }
    }

    private mutating func tuple() throws(DatasetError) -> [Int] {
      try require("(")
      var numbers: [Int] = []
      while !take(")") {
        numbers.append(try number())
        if !take(",") {
          try require(")")
          break
        }
      }
      return numbers
    }

    private mutating func number() throws(DatasetError) -> Int {
      skipSpace()
      let start = index
      while index < text.endIndex, 48...57 ~= text[index] { index += 1 }
      guard let number = Int(String(decoding: text[start..<index], as: UTF8.self)) else {
        throw wrong("whole numbers of at least 0 as dimensions", "something else")
      }
      // Python 2 wrote long numbers with an L.
      if index < text.endIndex, text[index] == UInt8(ascii: "L") { index += 1 }
      return number
    }

    private mutating func string() throws(DatasetError) -> String {
      skipSpace()
      guard index < text.endIndex, text[index] == UInt8(ascii: "'") || text[index] == UInt8(ascii: "\"")
      else { throw wrong("a text in quotes", "something else") }
      let quote = text[index]
      guard let end = text[(index + 1)...].firstIndex(of: quote) else {
        throw wrong("a text's closing quote", "none")
      }
      defer { index = end + 1 }
      return String(decoding: text[(index + 1)..<end], as: UTF8.self)
    }

    private mutating func require(_ character: Unicode.Scalar) throws(DatasetError) {
      guard take(character) else { throw wrong("'\(character)'", "something else") }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      skipSpace()
      guard index < text.endIndex, text[index] == UInt8(ascii: character) else { return false }
      index += 1
      return true
    }

    private mutating func takeWord(_ word: String) -> Bool {
      guard text[index...].starts(with: word.utf8) else { return false }
      index += word.utf8.count
      return true
    }

    private mutating func skipSpace() {
      while index < text.endIndex, [9, 10, 13, 32].contains(text[index]) { index += 1 }
    }
  }
}
