import TensorCore
import Testing

private struct TextError: DiagnosedError {
  let diagnosis: Diagnosis
  init(_ diagnosis: Diagnosis) { self.diagnosis = diagnosis }
}

private typealias Reader = JSONReader<TextError>

@Suite struct JSONReaderTests {
  private func reader(_ text: String) -> Reader {
    Reader(Array(text.utf8), place: "text", remedy: "Mend it.")
  }

  private func string(_ text: String) throws -> String {
    var reader = reader(text)
    let result = try reader.string()
    try reader.end()
    return result
  }

  @Test(arguments: [
    (#""""#, ""), (#" "a" "#, "a"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
    (#""\u0041\u00e9\u20AC""#, "Aé€"), (#""\ud83d\ude00""#, "😀"), (#""né😀""#, "né😀"),
    (#""\u0000""#, "\0"), (#""\\u0041""#, "\\u0041"),
  ])
  func stringsAreReadWithEveryEscape(text: String, expected: String) throws {
    #expect(try string(text) == expected)
  }

  @Test(arguments: [
    "", "\"", "\"a", "\"\\", "\"\\\"", #""\x""#, #""\u12""#, #""\u123"#, #""\u12g4""#, #""\u+123""#,
    #""\ud83d""#, #""\ud83dx""#, #""\ude00""#, #""\ud83d\u0041""#, "\"a\nb\"", "\"\u{1}\"", "a", "'a'",
    #""a"b"#, #""a""b""#,
  ])
  func stringsThatAreNotJSONAreRefused(text: String) {
    #expect(throws: TextError.self) { try string(text) }
  }

  @Test(
    arguments: [
      [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xe2, 0x82, 0x22],
      [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], [0x22, 0x5c, 0x6e, 0xff, 0x22],
    ] as [[UInt8]])
  func bytesThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    #expect(throws: TextError.self) {
      var reader = Reader(bytes, place: "text", remedy: "Mend it.")
      _ = try reader.string()
    }
  }

  @Test(arguments: [("0", 0), ("7", 7), (" 1234567890 ", 1_234_567_890), ("9223372036854775807", Int.max)])
  func wholeNumbersAreRead(text: String, expected: Int) throws {
    var reader = reader(text)
    #expect(try reader.integer() == expected)
    try reader.end()
  }

  @Test(arguments: [
    "", "-1", "+1", "01", "00", "1.0", "1e3", "0x10", "9223372036854775808", "99999999999999999999999",
    "true", "null", "\"1\"", "1 2", "१",
  ])
  func otherNumbersAreRefused(text: String) {
    #expect(throws: TextError.self) {
      var reader = reader(text)
      _ = try reader.integer()
      try reader.end()
    }
  }

  private func numbers(_ text: String, limit: Int = 3) throws -> [String: [Int]] {
    var result: [String: [Int]] = [:]
    var reader = reader(text)
    try reader.object(limit: limit) { (reader, key) throws(TextError) in
      var list: [Int] = []
      try reader.array(limit: limit) { (reader) throws(TextError) in
        list.append(try reader.integer())
      }
      result[key] = list
    }
    try reader.end()
    return result
  }

  @Test func objectsAndArraysAreRead() throws {
    #expect(try numbers("{}") == [:])
    #expect(try numbers(" {\n\"a\" : [ ] ,\t\"b\":[1 , 2]\r}\n") == ["a": [], "b": [1, 2]])
  }

  @Test(arguments: [
    "", "{", "}", "{]", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":[1}", "{\"a\":[1,]}", "{\"a\":[,1]}",
    "{\"a\":[1]", "{\"a\":[1],}", "{,}", "{\"a\" [1]}", "{\"a\":[1] \"b\":[2]}", "{a:[1]}", "{\"a\":[1]}x",
    "{\"a\":[1]}{}", "{\"a\":[1 2]}", "{\"a\":[1]]", "{\"a\":null}", "{\"a\":[[1]]}", "{\"a\":{}}",
    "{\"a\":[1],\"a\":[1]}", "{\"a\":[1],\"\\u0061\":[1]}", "{\"a\":[1,2,3,4]}",
    "{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}", "\u{feff}{}", "{/**/}",
  ])
  func objectsThatAreNotAsAskedForAreRefused(text: String) {
    #expect(throws: TextError.self) { try numbers(text) }
  }

  @Test func nestingIsRefusedWhereItBeginsHoweverDeep() throws {
    let deep = String(repeating: "{\"a\":", count: 1_000_000)
    let error = try #require(throws: TextError.self) { try numbers(deep) }
    #expect(error.diagnosis.place == "text, byte 5 of its JSON")
    #expect(error.diagnosis.expected == "an array")
    #expect(error.diagnosis.found == "\"{\"")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let texts = (0..<0x80).map { "a" + String(UnicodeScalar(UInt8($0))) } + ["né😀\"\\/"]
    for text in texts {
      var bytes: [UInt8] = []
      bytes.appendJSON(text)
      #expect(try string(String(decoding: bytes, as: UTF8.self)) == text)
    }
  }

  @Test(arguments: [("0", 0), ("-0", 0), (" -12 ", -12), ("7", 7), ("-9223372036854775807", -Int.max)])
  func wholeNumbersMayHaveASign(text: String, expected: Int) throws {
    var reader = reader(text)
    #expect(try reader.signedInteger() == expected)
    try reader.end()
  }

  @Test(arguments: ["-", "--1", "- 1", "+1", "-01", "-1.5", "-1e2", "-9223372036854775809"])
  func otherSignsAreRefused(text: String) {
    var reader = reader(text)
    #expect(throws: TextError.self) { try reader.signedInteger() }
  }

  @Test func numbersAndWordsAreRead() throws {
    for text in ["0", "-0.5", "12.25", "1e3", "1E-3", "-1.5e+2", "1e999"] {
      var reader = reader(" \(text) ")
      #expect(try reader.number() == Double(text))
      try reader.end()
    }
    var reader = reader(" true false null 1")
    #expect(try reader.boolean() == true && reader.boolean() == false)
    #expect(reader.null() && !reader.null() && reader.isNext("1"))
    #expect(throws: TextError.self) { try reader.boolean() }
  }

  @Test(arguments: [
    "1", "-1.5e3", "\"a\\\"]\"", "true", "false", "null", "{}", "[]", "[1, [true, {\"a\": [null]}], \"x\"]",
    "{\"a\": 1, \"b\": {\"c\": []}}",
  ])
  func anyValueIsPassedOver(text: String) throws {
    var reader = reader(" \(text) 7")
    try reader.skipValue(depth: 4)
    #expect(try reader.integer() == 7)
    try reader.end()
  }

  @Test(arguments: [
    "", "x", "tru", "[1,]", "[1 2]", "{1: 2}", "{\"a\"}", "{\"a\": }", "[", "{\"a\": 1", "\"a", "01", "1.",
    ".5", "-",
    "1e", "+1", "]", "[[[[[]]]]]", "{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}",
  ])
  func whatIsNoValueIsNotPassedOver(text: String) {
    #expect(throws: TextError.self) {
      var reader = reader(text)
      try reader.skipValue(depth: 4)
      try reader.end()
    }
  }

  @Test func keysAndStringsAreAppendedAsBytes() throws {
    var reader = reader(#"{"a\u00e9": "é", "b": "\n"}"#)
    var bytes: [UInt8] = []
    try reader.members(limit: 2) { (reader) throws(TextError) in
      try reader.key(into: &bytes)
      try reader.string(into: &bytes)
    }
    #expect(String(decoding: bytes, as: UTF8.self) == "aééb\n")
    var other = self.reader(#"{"a": 1, "b": 2}"#)
    #expect(throws: TextError.self) {
      try other.members(limit: 1) { (reader) throws(TextError) in
        try reader.key(into: &bytes)
        try reader.skipValue(depth: 1)
      }
    }
  }

  @Test func aCopyGoesOnByItselfAndNamesItsPlace() throws {
    var reader = reader("[1, x]")
    var copy = reader.renamed("a list")
    #expect(throws: TextError.self) { try reader.skipValue(depth: 1) }
    #expect(reader.position == 4 && copy.position == 0)
    let error = #expect(throws: TextError.self) { try copy.string() }
    #expect(error?.diagnosis.place == "a list, byte 0 of its JSON")
  }
}
