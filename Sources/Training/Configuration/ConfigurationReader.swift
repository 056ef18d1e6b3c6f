import TensorCore

/// Reads one section of a configuration, key by key, and remembers every key and value in the order of
/// the reading.
///
/// The code that reads a section is the only list of its keys: from what was asked for follow both which
/// keys are unknown (`refuseUnknownKeys`) and the resolved configuration with all defaults filled in
/// (`yaml`). Each call takes the present value of a field and changes it only when the key is there, so
/// the same code, run over an empty section, writes a value out.
final class ConfigurationReader {
  /// Which keys `yaml` writes.
  enum Selection {
    case all
    /// Those that the trained weights depend on.
    case affectingWeights
  }

  /// What the reading is for.
  enum Purpose {
    /// To read what somebody wrote.
    case reading
    /// To check a value, over an empty section.
    case checking
    /// To write a value out, over an empty section; nothing is checked.
    case writing
  }

  private enum Resolved {
    case value(String)
    case section(ConfigurationReader)
    case list([ConfigurationReader])
  }

  private struct Record {
    let key: String
    let affectsWeights: Bool
    let resolved: Resolved
  }

  /// Bounds what a long list of short sections can cost.
  private static let mostSections = 1024

  /// The section's name with those around it: `optimizer`, or nothing for the outermost.
  let path: String
  /// The section's own place.
  let place: String
  private let entries: [ConfigurationNode.Entry]
  private let purpose: Purpose
  private var asked: [String] = []
  private var records: [Record] = []

  /// - Parameter node: a section.
  init(_ node: ConfigurationNode, path: String = "", for purpose: Purpose) {
    if case .section(let entries) = node.content { self.entries = entries } else { self.entries = [] }
    self.path = path
    self.place = node.place
    self.purpose = purpose
  }

  // MARK: - Sections

  /// Keys of its own under `key`.
  ///
  /// - Parameter shorthand: the key that is meant where a single value stands in the section's place.
  func section(
    _ key: String, _ value: inout some ConfigurationSection, shorthand: String? = nil
  ) throws(ConfigurationError) {
    var node = find(key)
    if let single = node, let shorthand, case .scalar = single.content {
      let entry = ConfigurationNode.Entry(key: shorthand, place: single.place, value: single)
      node = ConfigurationNode(content: .section([entry]), place: single.place)
    }
    if let node {
      guard case .section = node.content else {
        throw wrong(
          node, key, expected: "a section with keys of its own",
          remedy: "Write its keys under it, indented by two spaces, or as {key: value}.")
      }
    }
    let inner = ConfigurationReader(node ?? .emptySection(at: place), path: name(key), for: purpose)
    try value.read(from: inner)
    records.append(Record(key: key, affectsWeights: true, resolved: .section(inner)))
  }

  /// A list of parts with keys of their own, each of which begins as `each`. Written only where it has any.
  func sections<Section: ConfigurationSection>(
    _ key: String, _ values: inout [Section], each: Section
  ) throws(ConfigurationError) {
    var nodes = values.map { _ in ConfigurationNode.emptySection(at: place) }
    if let node = find(key) {
      guard case .list(let elements) = node.content else {
        throw wrong(
          node, key, expected: "a list of sections", remedy: "Write every section after a dash: - key: value."
        )
      }
      guard elements.count <= Self.mostSections else {
        throw wrong(
          node, key, expected: "at most \(Self.mostSections) sections", remedy: "Write fewer of them.")
      }
      nodes = elements
      values = elements.map { _ in each }
    }
    var readers: [ConfigurationReader] = []
    for (index, node) in nodes.enumerated() {
      guard case .section = node.content else {
        throw wrong(
          node, key, expected: "a section with keys of its own", remedy: "Write it as {key: value}.")
      }
      let inner = ConfigurationReader(node, path: name(key), for: purpose)
      try values[index].read(from: inner)
      readers.append(inner)
    }
    if !readers.isEmpty {
      records.append(Record(key: key, affectsWeights: true, resolved: .list(readers)))
    }
  }

  /// A section whose keys are not known here, each with what stands there for it; nil where there is none.
  func entries(_ key: String) throws(ConfigurationError) -> [ConfigurationNode.Entry]? {
    guard let node = find(key) else { return nil }
    guard case .section(let entries) = node.content else {
      throw wrong(
        node, key, expected: "a section with keys of its own",
        remedy: "Write its keys under it, indented by two spaces, or as {key: value}.")
    }
    return entries
  }

  // MARK: - What only the reading code knows

  /// Whether what is missing gets its default, rather than being a value to write or to check.
  var isReading: Bool { purpose == .reading }

  /// Whether `key` has a value here.
  func has(_ key: String) -> Bool { present(key) != nil }

  /// Says that `keys` are known but mean nothing with the other values given; present ones are errors.
  ///
  /// - Parameter reason: what they belong to, as the end of "... belongs to".
  func exclude(_ keys: [String], belongingTo reason: String) throws(ConfigurationError) {
    asked += keys
    for key in keys {
      guard let entry = present(key) else { continue }
      throw ConfigurationError(
        at: entry.place, expected: "no \(name(key)) here, which belongs to \(reason)",
        found: "\(key): \(entry.value.summary)",
        remedy: "Remove the key, or take it back with: --set \(name(key))=null"
          + (asked.contains("name") ? ", or give the whole section anew: --set \(path)={name: …}" : ""))
    }
  }

  /// Requires `key` to be here; `expected` and `remedy` say what it should hold.
  func require(_ key: String, expected: String, remedy: String) throws(ConfigurationError) {
    guard purpose == .reading, present(key) == nil else { return }
    let others = entries.map(\.key).filter { !asked.contains($0) }
    if let near = NearestName.nearest(to: key, among: others),
      let entry = entries.first(where: { $0.key == near })
    {
      throw ConfigurationError(
        at: entry.place, expected: "\(name(key)): \(expected)", found: "the unknown key \"\(near)\"",
        remedy: "Did you mean \(key)?")
    }
    throw ConfigurationError(
      at: place, expected: "\(name(key)): \(expected)", found: "no such key", remedy: remedy)
  }

  /// Requires what a single key's range does not say; the error is at `key`, which may lie deeper: `a.b`.
  func require(
    _ condition: Bool, at key: String, expected: String, found: String, remedy: String
  ) throws(ConfigurationError) {
    guard purpose != .writing, !condition else { return }
    throw ConfigurationError(
      at: Self.place(of: key, in: entries) ?? place, expected: "\(name(key)): \(expected)", found: found,
      remedy: remedy)
  }

  /// Call after everything was read: refuses keys that nobody asked for, here and in the sections.
  func refuseUnknownKeys() throws(ConfigurationError) { try refuseUnknownKeys(outermost: self) }

  private func refuseUnknownKeys(outermost: ConfigurationReader) throws(ConfigurationError) {
    for entry in entries where !asked.contains(entry.key) {
      let here = path.isEmpty ? "a known key" : "a known key of \(path)"
      var remedy = "Known here: \(asked.joined(separator: ", "))."
      if let near = NearestName.nearest(to: entry.key, among: asked) {
        remedy = "Did you mean \(name(near))? " + remedy
      } else if let elsewhere = outermost.allNames().first(where: {
        NearestName.same(String($0.split(separator: ".").last ?? ""), entry.key)
      }) {
        remedy = "Did you mean \(elsewhere)? " + remedy
      }
      throw ConfigurationError(at: entry.place, expected: here, found: "\"\(entry.key)\"", remedy: remedy)
    }
    for record in records {
      switch record.resolved {
      case .value: break
      case .section(let inner): try inner.refuseUnknownKeys(outermost: outermost)
      case .list(let readers): for inner in readers { try inner.refuseUnknownKeys(outermost: outermost) }
      }
    }
  }

  private func allNames() -> [String] {
    asked.map(name)
      + records.flatMap { record -> [String] in
        if case .section(let inner) = record.resolved { inner.allNames() } else { [] }
      }
  }

  // MARK: - Writing

  /// Everything that was read, with its resolved values, in the order of the reading.
  func yaml(_ selection: Selection = .all) -> String {
    yamlLines(selection, indentation: "").map { $0 + "\n" }.joined()
  }

  private func yamlLines(_ selection: Selection, indentation: String) -> [String] {
    var lines: [String] = []
    for record in records where selection == .all || record.affectsWeights {
      switch record.resolved {
      case .value(let text): lines.append("\(indentation)\(record.key): \(text)")
      case .section(let inner):
        let body = inner.yamlLines(selection, indentation: indentation + "  ")
        if !body.isEmpty { lines += ["\(indentation)\(record.key):"] + body }
      case .list(let readers):
        let parts = readers.map {
          "{" + $0.yamlLines(selection, indentation: "").joined(separator: ", ") + "}"
        }
        lines.append("\(indentation)\(record.key): [" + parts.joined(separator: ", ") + "]")
      }
    }
    return lines
  }

  // MARK: - Helpers

  func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func present(_ key: String) -> ConfigurationNode.Entry? {
    entries.first { $0.key == key && !$0.value.isNull }
  }

  /// Where the key stands, with a value or without.
  private static func place(of key: String, in entries: [ConfigurationNode.Entry]) -> String? {
    let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
    guard let entry = entries.first(where: { $0.key == parts.first }) else { return nil }
    guard parts.count == 2 else { return entry.place }
    guard case .section(let inner) = entry.value.content else { return entry.place }
    return place(of: parts[1], in: inner) ?? entry.place
  }

  func find(_ key: String) -> ConfigurationNode? {
    asked.append(key)
    return present(key)?.value
  }

  func record(_ key: String, _ text: String?, _ affectsWeights: Bool) {
    guard let text else { return }
    records.append(Record(key: key, affectsWeights: affectsWeights, resolved: .value(text)))
  }

  func check(
    _ key: String, _ node: ConfigurationNode?, _ isRight: Bool, expected: String, found: (some Any)?
  ) throws(ConfigurationError) {
    guard purpose != .writing, !isRight else { return }
    throw ConfigurationError(
      at: node?.place ?? place, expected: "\(name(key)): \(expected)",
      found: found.map { "\($0)" } ?? "nothing", remedy: "Choose a value in this range.")
  }

  func wrong(
    _ node: ConfigurationNode, _ key: String, expected: String, remedy: String
  ) -> ConfigurationError {
    ConfigurationError(
      at: node.place, expected: "\(name(key)): \(expected)", found: node.summary, remedy: remedy)
  }
}
