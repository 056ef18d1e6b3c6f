/// A part of a configuration with keys of its own.
protocol ConfigurationSection {
  /// Reads every key that the section has, once and in the order in which they are to be written. A field
  /// keeps its value where its key is missing.
  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError)
}

/// The numbers that a key may have.
struct NumberRange: Sendable {
  let words: String
  let contains: @Sendable (Double) -> Bool

  static let positive = NumberRange(words: "above 0") { $0 > 0 && $0.isFinite }
  static let notNegative = NumberRange(words: "of at least 0") { $0 >= 0 && $0.isFinite }
  /// [0, 1)
  static let belowOne = NumberRange(words: "from 0 to below 1") { $0 >= 0 && $0 < 1 }
  /// (0, 1]
  static let positiveUpToOne = NumberRange(words: "above 0 and up to 1") { $0 > 0 && $0 <= 1 }
  /// [0, 1]
  static let unit = NumberRange(words: "from 0 to 1") { $0 >= 0 && $0 <= 1 }
}
