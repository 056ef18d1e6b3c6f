import TensorCore
import Yams

/// What a configuration file says, before anybody knows what it should say: scalars, lists and sections,
/// each with the place it comes from.
///
/// Read through Yams, and refused where YAML offers more than a configuration needs: anchors, aliases, tags,
/// several documents, keys that are not plain names, more than `sizeLimit`. So a hostile file costs
/// no more than that limit allows.
package struct ConfigurationNode {
  enum Content {
    /// The text of a scalar; `quoted` when it stood in quotes and hence is never a number or null.
    case scalar(String, quoted: Bool)
    case list([ConfigurationNode])
    case section([Entry])
  }

  struct Entry {
    let key: String
    /// Where the key stands.
    let place: String
    var value: ConfigurationNode
  }

  var content: Content
  /// `file:line`, or the override.
  var place: String

  /// The most bytes that a configuration may have; those that people write have some thousands.
  package static let sizeLimit = 1 << 18
  static let sizeLimitWords = "at most \(sizeLimit >> 10) KiB of YAML"
  /// The deepest nesting that is looked at; a configuration needs three levels.
  static let depthLimit = 32

  static func emptySection(at place: String) -> ConfigurationNode {
    ConfigurationNode(content: .section([]), place: place)
  }

  /// A key without a value, `null` or `~`: the same as leaving the key out.
  var isNull: Bool {
    if case .scalar(let text, quoted: false) = content {
      return ["", "~", "null", "Null", "NULL"].contains(text)
    }
    return false
  }

  /// A few words for a message: what is there.
  var summary: String {
    switch content {
    case .scalar(let text, let quoted):
      if isNull { return "nothing" }
      let short = text.count > 60 ? text.prefix(57) + "..." : text[...]
      return quoted ? "the text \"\(short)\"" : "\(short)"
    case .list(let elements): return "a list of \(elements.count)"
    case .section(let entries):
      let keys = entries.prefix(3).map(\.key).joined(separator: ", ")
      return entries.isEmpty
        ? "an empty section" : "a section (\(keys)\(entries.count > 3 ? ", ..." : ""))"
    }
  }

  /// On one line, as YAML that reads back to it.
  var flowText: String {
    switch content {
    case .scalar(let text, let quoted): quoted || text.contains("\n") ? YAMLText.quoted(text) : text
    case .list(let elements): "[" + elements.map(\.flowText).joined(separator: ", ") + "]"
    case .section(let entries):
      "{" + entries.map { "\($0.key): \($0.value.flowText)" }.joined(separator: ", ") + "}"
    }
  }

  // MARK: - Reading text

  /// Reads a whole configuration.
  ///
  /// - Parameters:
  ///   - text: YAML; its outermost value must be a section, or nothing at all.
  ///   - file: what places are named after.
  static func parse(_ text: String, file: String) throws(ConfigurationError) -> ConfigurationNode {
    // Some editors put a byte order mark first, which says nothing in UTF-8.
    let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    guard var node = try compose(text, place: file, at: { "\(file):\($0)" }), !node.isNull else {
      return .emptySection(at: file)
    }
    guard case .section = node.content else {
      throw ConfigurationError(
        at: node.place, expected: "sections and keys such as \"batch: 128\"", found: node.summary,
        remedy: "See a working configuration with: lockstep train --print-config digits")
    }
    // What is missing is missing in the file, not on its first line.
    node.place = file
    return node
  }

  /// Reads the value of an override, which has one place only.
  static func parseValue(_ text: String, place: String) throws(ConfigurationError) -> ConfigurationNode {
    let none = ConfigurationNode(content: .scalar("", quoted: false), place: place)
    return try compose(text, place: place) { _ in place } ?? none
  }

  private static func compose(
    _ text: String, place: String, at line: (Int) -> String
  ) throws(ConfigurationError) -> ConfigurationNode? {
    guard text.utf8.count <= sizeLimit else {
      throw ConfigurationError(
        at: place, expected: sizeLimitWords, found: "\(text.utf8.count) bytes",
        remedy: "Check that this is the configuration and not a data file.")
    }
    if let number = lineOfFirstAnchor(in: text) {
      throw ConfigurationError(
        at: line(number), expected: "plain YAML without anchors and aliases", found: "an anchor (&name)",
        remedy: "Write the value out where it is needed. (A text with \" &\" is taken for an anchor too.)")
    }
    do {
      // The basic resolver guesses no types; those are known here from what a key wants.
      guard let node = try Yams.compose(yaml: text, .basic, .default, .utf8) else { return nil }
      return try convert(node, depth: 0, at: line)
    } catch let error as ConfigurationError {
      throw error
    } catch let error as YamlError {
      throw explain(error, place: place, at: line)
    } catch {
      throw ConfigurationError(
        at: place, expected: "YAML", found: "\(error)", remedy: "Check the syntax of the file.")
    }
  }

  /// The line of the first thing that could be an anchor. Aliases can make a short text mean a huge tree,
  /// and need anchors; so those are looked for in the bare text, before any parser sees it. Quotes and
  /// comments are deliberately not understood: a mistake about them would let an anchor through.
  package static func lineOfFirstAnchor(in text: String) -> Int? {
    var line = 1
    var previous = UInt8(ascii: "\n")
    var pending = false
    for byte in text.utf8 {
      // YAML ends an anchor's name at these only; "a & b" is no anchor.
      if pending, !" \t\r\n".utf8.contains(byte) { return line }
      pending = byte == UInt8(ascii: "&") && !isWordByte(previous)
      if byte == UInt8(ascii: "\n") { line += 1 }
      previous = byte
    }
    return nil
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: "."):
      return true
    default: return false
    }
  }

  private static func convert(
    _ node: Node, depth: Int, at line: (Int) -> String
  ) throws(ConfigurationError) -> ConfigurationNode {
    let place = line(node.mark?.line ?? 1)
    guard depth < depthLimit else {
      throw ConfigurationError(
        at: place, expected: "at most \(depthLimit) levels of nesting", found: "more",
        remedy: "A configuration has sections, keys and lists; check the brackets and the indentation.")
    }
    switch node {
    case .scalar(let scalar):
      let quoted = scalar.style == .singleQuoted || scalar.style == .doubleQuoted
      return ConfigurationNode(content: .scalar(scalar.string, quoted: quoted), place: place)
    case .sequence(let sequence):
      var elements: [ConfigurationNode] = []
      for element in sequence { elements.append(try convert(element, depth: depth + 1, at: line)) }
      return ConfigurationNode(content: .list(elements), place: place)
    case .mapping(let mapping):
      var entries: [Entry] = []
      for (key, value) in mapping {
        guard case .scalar(let name) = key else {
          throw ConfigurationError(
            at: line(key.mark?.line ?? 1), expected: "a name as the key", found: "a list or a section",
            remedy: "Write \"name: value\".")
        }
        entries.append(
          Entry(
            key: name.string, place: line(name.mark?.line ?? 1),
            value: try convert(value, depth: depth + 1, at: line)))
      }
      return ConfigurationNode(content: .section(entries), place: place)
    case .alias:
      throw ConfigurationError(
        at: place, expected: "plain YAML without anchors and aliases", found: "an alias (*name)",
        remedy: "Write the value out where it is needed.")
    }
  }

  /// Yams' errors in this program's form.
  private static func explain(
    _ error: YamlError, place: String, at line: (Int) -> String
  ) -> ConfigurationError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return ConfigurationError(
        at: line(mark.line), expected: "YAML", found: "\(problem) (column \(mark.column))",
        remedy: "Check the syntax near this line: \"key: value\" with a space after the colon, "
          + "sections indented by spaces, quotes around texts with special characters.")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { "\"\($0)\"" }.joined(separator: ", ")
      return ConfigurationError(
        at: line(context.mark.line), expected: "every key once in its section",
        found: "\(names) more than once",
        remedy: "Keep the one that is meant; the first stands on this line.")
    case .reader(let problem, let offset, _, _):
      return ConfigurationError(
        at: place, expected: "text in UTF-8",
        found: problem + (offset.map { " at character \($0)" } ?? ""),
        remedy: "Save the file as plain UTF-8 text.")
    default:
      return ConfigurationError(
        at: place, expected: "YAML", found: "\(error)", remedy: "Check the syntax of the file.")
    }
  }
}
