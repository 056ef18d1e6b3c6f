import Foundation
import TensorCore

/// What a sweep's file says: a configuration, and which of its settings take which values.
///
///     base: digits                # a configuration file, beside this one, or a preset
///     set: {epochs: 3}            # for all members
///     grid:                       # every combination
///       optimizer.learningRate: [0.03, 0.1]
///     random:                     # so many drawn ones, each with every combination of the grid
///       trials: 4
///       seed: 0
///       parameters:
///         batch: {choice: [64, 128]}
///     compare: auto               # or accuracy, loss
///     ranks: 2                    # of each member; left out: as many as there are for it
struct SweepDefinition: ConfigurationSection {
  var base: String?
  var settings: [ConfigurationNode.Entry] = []
  var grid: [(key: String, place: String, values: [ConfigurationNode])] = []
  var random = RandomSearch()
  var compare = MemberFigure.auto
  var ranks: Int?

  /// The most members of a sweep.
  static let mostMembers = 10_000

  /// Reads a sweep's file.
  static func load(_ path: String) throws(ConfigurationError) -> SweepDefinition {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ConfigurationError(
        at: path, expected: "a sweep's file", found: "no such file",
        remedy: "Check the path; lockstep sweep --help shows what such a file holds.")
    }
    let node = try ConfigurationNode.parse(try ConfigurationText.contents(ofFile: path), file: path)
    let reader = ConfigurationReader(node, for: .reading)
    var definition = SweepDefinition()
    try definition.read(from: reader)
    try reader.refuseUnknownKeys()
    try reader.require(
      !definition.grid.isEmpty || !definition.random.parameters.isEmpty, at: "grid",
      expected: "settings to vary", found: "none",
      remedy: "For example: grid: {optimizer.learningRate: [0.01, 0.1]}")
    return definition
  }

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.require(
      "base", expected: "the configuration that is varied",
      remedy: "Name a configuration file, or a preset: base: digits")
    try reader.text("base", &base)
    settings = try reader.entries("set") ?? []
    for entry in try reader.entries("grid") ?? [] {
      guard case .list(let values) = entry.value.content, !values.isEmpty else {
        throw ConfigurationError(
          at: entry.place, expected: "grid.\(entry.key): a list of values", found: entry.value.summary,
          remedy: "Put the values in brackets: \(entry.key): [0.01, 0.1]")
      }
      grid.append((entry.key, entry.place, values))
    }
    try reader.section("random", &random)
    try reader.choice("compare", &compare)
    try reader.integer("ranks", &ranks, in: 1...1 << 20)
    let twice = random.parameters.first { parameter in grid.contains { $0.key == parameter.key } }
    try reader.require(
      twice == nil, at: "random", expected: "settings that the grid does not vary", found: twice?.key ?? "",
      remedy: "Keep it in one of the two.")
    let most = Self.mostMembers
    let count = grid.reduce(random.trials ?? 1) { product, setting in
      product > most ? product : product * setting.values.count
    }
    try reader.require(
      count <= most, at: "grid", expected: "at most \(most) members", found: "more",
      remedy: "Vary less at a time, or draw some by chance: random.")
  }
}

/// `random`: settings that are drawn.
struct RandomSearch: ConfigurationSection {
  var trials: Int?
  var seed = 0
  var parameters: [ParameterDistribution] = []

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.integer("trials", &trials, in: 1...SweepDefinition.mostMembers)
    try reader.integer("seed", &seed, in: 0...Int.max)
    for entry in try reader.entries("parameters") ?? [] {
      parameters.append(try ParameterDistribution(entry))
    }
    try reader.require(
      trials == nil || !parameters.isEmpty, at: "trials", expected: "random.parameters to draw",
      found: "none", remedy: "For example: parameters: {optimizer.learningRate: {logUniform: [0.001, 0.1]}}")
    try reader.require(
      trials != nil || parameters.isEmpty, at: "parameters", expected: "random.trials beside it",
      found: "none", remedy: "Say how often to draw: trials: 20")
  }
}

/// By which figure members are compared.
package enum MemberFigure: String, Sendable, Codable, CaseIterable {
  /// The accuracy where there is one, else the loss; as for the best checkpoint.
  case auto
  case accuracy
  case loss
}
