/// What is wrong with something a user gave (a file, a configuration, a shape, data), in the four parts
/// that are needed to mend it.
public struct Diagnosis: Sendable, Equatable, CustomStringConvertible {
  /// Where it is wrong: a path, a path and an offset, a configuration key, a layer.
  public let place: String
  /// What would have been right there.
  public let expected: String
  /// What is there instead.
  public let found: String
  /// What to do about it: one or more whole sentences.
  public let remedy: String

  /// What a file holds may be quoted as it is: control characters are written as their codes, and of a text
  /// longer than `longestPart` bytes the middle is left out.
  public init(at place: String, expected: String, found: String, remedy: String) {
    self.place = Self.readable(place)
    self.expected = Self.readable(expected)
    self.found = Self.readable(found)
    self.remedy = Self.readable(remedy)
  }

  /// The most bytes of one of the four parts.
  static let longestPart = 1024

  /// A text that neither fills a terminal nor gives it commands.
  public static func readable(_ text: String) -> String {
    let isPlain = text.utf8.count <= longestPart && !text.unicodeScalars.contains(where: isControl)
    if isPlain { return text }
    var result = ""
    let width = text.unicodeScalars.reduce(0) { $0 + Self.width($1) }
    if width <= longestPart {
      append(text.unicodeScalars, to: &result)
    } else {
      // A half from the beginning and a quarter from the end: a path ends in what tells it from others.
      append(prefix(text.unicodeScalars, bytes: longestPart / 2), to: &result)
      result += " … "
      append(prefix(text.unicodeScalars.reversed(), bytes: longestPart / 4).reversed(), to: &result)
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || 0x7F..<0xA0 ~= scalar.value || 0x2028...0x2029 ~= scalar.value
      || scalar.value >= 0xAD && scalar.properties.generalCategory == .format
  }

  /// The bytes that a character takes where it is shown.
  private static func width(_ scalar: Unicode.Scalar) -> Int {
    isControl(scalar) ? "\\u{}".utf8.count + String(scalar.value, radix: 16).utf8.count : UTF8.width(scalar)
  }

  private static func prefix(_ scalars: some Sequence<Unicode.Scalar>, bytes: Int) -> [Unicode.Scalar] {
    var (result, size): ([Unicode.Scalar], Int) = ([], 0)
    for scalar in scalars {
      size += width(scalar)
      guard size <= bytes else { break }
      result.append(scalar)
    }
    return result
  }

  private static func append(_ scalars: some Sequence<Unicode.Scalar>, to text: inout String) {
    for scalar in scalars {
      if isControl(scalar) {
        text += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  public var description: String { "\(place): expected \(expected), found \(found). \(remedy)" }
}

/// An error that a user can mend. Each module has its own type, so that a caller knows what can come.
public protocol DiagnosedError: Error, Sendable, CustomStringConvertible {
  var diagnosis: Diagnosis { get }
  init(_ diagnosis: Diagnosis)
}

extension DiagnosedError {
  public init(at place: String, expected: String, found: String, remedy: String) {
    self.init(Diagnosis(at: place, expected: expected, found: found, remedy: remedy))
  }

  public var description: String { diagnosis.description }
}
