import TensorCore

/// Times as people write them on a command line: `90s`, `45m`, `1h30m`, `2d`, `1.5h`.
public enum DurationText {
  private static let units: [(name: String, seconds: Double)] = [
    ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1),
  ]

  /// Seconds, at least 0.
  ///
  /// - Parameter place: what an error names as its place, as `--time-limit`.
  public static func seconds(_ text: String, at place: String) throws(ConfigurationError) -> Double {
    func wrong(_ remedy: String) -> ConfigurationError {
      ConfigurationError(
        at: place, expected: "a time such as 90s, 45m, 1h30m or 2d", found: "\"\(text)\"", remedy: remedy)
    }
    if text == "0" { return 0 }
    var (rest, total) = (text[...], 0.0)
    var last = Double.infinity
    guard !rest.isEmpty else { throw wrong("Write a number with its unit.") }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      guard let number = Double(digits) else { throw wrong("Write a number before every unit.") }
      rest = rest[digits.endIndex...]
      let name = rest.prefix { $0.isASCII && $0.isLetter }
      guard !name.isEmpty else { throw wrong("Say what is meant: \(digits)s, \(digits)m or \(digits)h.") }
      guard let unit = units.first(where: { $0.name == name }) else {
        throw wrong("The units are d, h, m and s; \(name) is none.")
      }
      guard unit.seconds < last else { throw wrong("Name the units from the largest down, each once.") }
      last = unit.seconds
      total += number * unit.seconds
      rest = rest[name.endIndex...]
    }
    guard total.isFinite, total <= 1e9 else { throw wrong("Name a time below thirty years.") }
    return total
  }
}
