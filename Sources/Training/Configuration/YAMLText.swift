/// Texts as they stand in a YAML file.
enum YAMLText {
  /// A text as YAML that reads back to it: bare where it is plainly a word or a path, else in quotes.
  static func quoted(_ text: String) -> String {
    let isBare =
      text.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
          || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "/._-".utf8.contains(byte)
      } && text.first.map { $0 == "/" || $0.isLetter } ?? false
    let node = ConfigurationNode(content: .scalar(text, quoted: false), place: "")
    if isBare, !node.isNull, text != "true", text != "false" { return text }
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      // A quoted "&x" would look like an anchor to the reader.
      case "&", "\0"..<" ", "\u{7F}"..<"\u{A0}", "\u{2028}", "\u{2029}", "\u{FEFF}", "\u{FFFE}", "\u{FFFF}":
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
