import Foundation
import TensorCore

/// Where a random search takes a setting's values from.
struct ParameterDistribution {
  private enum Kind {
    /// Evenly between two numbers, or between their logarithms.
    case number(ClosedRange<Double>, isLogarithmic: Bool)
    /// Whole numbers, both ends included.
    case integer(ClosedRange<Int>)
    case choice([ConfigurationNode])
  }

  let key: String
  private let kind: Kind
  private let place: String

  private static let names = ["uniform", "logUniform", "integer", "choice"]

  /// - Parameter entry: `key: {name: [values]}`.
  init(_ entry: ConfigurationNode.Entry) throws(ConfigurationError) {
    key = entry.key
    place = entry.place
    let example = "\(entry.key): {uniform: [0, 0.5]}"
    guard case .section(let inner) = entry.value.content, inner.count == 1, let form = inner.first else {
      throw ConfigurationError(
        at: entry.place, expected: "one of \(Self.names.joined(separator: ", ")) with its values",
        found: entry.value.summary, remedy: "For example: \(example)")
    }
    guard Self.names.contains(form.key) else {
      let near = NearestName.nearest(to: form.key, among: Self.names)
      throw ConfigurationError(
        at: form.place, expected: "one of \(Self.names.joined(separator: ", "))", found: "\"\(form.key)\"",
        remedy: near.map { "Did you mean \($0)?" } ?? "For example: \(example)")
    }
    guard case .list(let values) = form.value.content, !values.isEmpty else {
      throw ConfigurationError(
        at: form.place, expected: "\(form.key): a list of values", found: form.value.summary,
        remedy: "Put the values in brackets: \(example)")
    }
    kind =
      switch form.key {
      case "choice": .choice(values)
      case "integer": .integer(try Self.integers(form, values))
      default: try Self.numbers(form, values)
      }
  }

  private static func integers(
    _ form: ConfigurationNode.Entry, _ values: [ConfigurationNode]
  ) throws(ConfigurationError) -> ClosedRange<Int> {
    let range = try bounds(form, values) { Int($0) }
    guard !range.upperBound.subtractingReportingOverflow(range.lowerBound).overflow else {
      throw ConfigurationError(
        at: form.place, expected: "integer: bounds less than \(Int.max) apart", found: form.value.flowText,
        remedy: "Draw from fewer numbers, for example: integer: [0, 1000000]")
    }
    return range
  }

  private static func numbers(
    _ form: ConfigurationNode.Entry, _ values: [ConfigurationNode]
  ) throws(ConfigurationError) -> Kind {
    let range = try bounds(form, values) { Double($0).flatMap { $0.isFinite ? $0 : nil } }
    let isLogarithmic = form.key == "logUniform"
    guard !isLogarithmic || range.lowerBound > 0 else {
      throw ConfigurationError(
        at: form.place, expected: "logUniform: bounds above 0", found: form.value.flowText,
        remedy: "Use uniform, or a small number such as 1e-5 for the lower bound.")
    }
    return .number(range, isLogarithmic: isLogarithmic)
  }

  /// Two numbers, the smaller first.
  private static func bounds<Number: Comparable>(
    _ form: ConfigurationNode.Entry, _ values: [ConfigurationNode], _ number: (String) -> Number?
  ) throws(ConfigurationError) -> ClosedRange<Number> {
    let numbers = values.compactMap { node -> Number? in
      guard case .scalar(let text, quoted: false) = node.content else { return nil }
      return number(text)
    }
    guard numbers.count == 2, values.count == 2, numbers[0] <= numbers[1] else {
      throw ConfigurationError(
        at: form.place,
        expected: "\(form.key): two \(form.key == "integer" ? "whole " : "")numbers, the smaller first",
        found: form.value.flowText,
        remedy: "For example: \(form.key): [\(form.key == "integer" ? "16, 256" : "0.001, 0.1")]")
    }
    return numbers[0]...numbers[1]
  }

  /// The value of a trial, which depends on the seed, the trial and the setting's name only. Numbers are rounded to four
  /// digits, so that a configuration shows all of them.
  func draw(trial: Int, seed: Int) -> ConfigurationNode {
    // FNV-1a: the settings' streams differ, whatever other settings there are.
    let layer = key.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    var stream = RandomStream(
      seed: UInt64(seed), purpose: .trials, step: UInt64(trial), layer: layer)
    switch kind {
    case .choice(let values):
      var value = values[stream.integer(below: values.count)]
      value.place = place
      return value
    case .integer(let range):
      let count = range.upperBound - range.lowerBound
      let drawn = Self.unit(&stream) * (Double(count) + 1)
      return scalar("\(range.lowerBound + min(count, Int(drawn)))")
    case .number(let range, let isLogarithmic):
      let part = Self.unit(&stream)
      let (low, high) = (range.lowerBound, range.upperBound)
      let exact = isLogarithmic ? low * pow(high / low, part) : low + (high - low) * part
      let rounded = Double(String(format: "%.4g", exact)) ?? exact
      return scalar("\(min(max(rounded, low), high))")
    }
  }

  private func scalar(_ text: String) -> ConfigurationNode {
    ConfigurationNode(content: .scalar(text, quoted: false), place: place)
  }

  /// Uniform in [0, 1), a multiple of 2⁻⁵³.
  private static func unit(_ stream: inout RandomStream) -> Double {
    let bits = UInt64(stream.next()) << 32 | UInt64(stream.next())
    return Double(bits >> 11) * 0x1p-53
  }
}
