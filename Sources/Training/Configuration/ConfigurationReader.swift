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

  // MARK: - Values

  /// A whole number.
  func integer(
    _ key: String, _ value: inout Int, in range: ClosedRange<Int>, affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    var optional: Int? = value
    try self.integer(key, &optional, in: range, affectsWeights: affectsWeights)
    if let given = optional { value = given }
  }

  /// A whole number that may be missing.
  func integer(
    _ key: String, _ value: inout Int?, in range: ClosedRange<Int>, affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    let expected = "a whole number \(Self.words(range))"
    let node = find(key)
    if let node { value = try Self.integer(node, name: name(key), expected: expected) }
    try check(key, node, value.map(range.contains) ?? true, expected: expected, found: value)
    record(key, value.map { "\($0)" }, affectsWeights)
  }

  /// A list of whole numbers.
  func integers(
    _ key: String, _ value: inout [Int], in range: ClosedRange<Int>, count: ClosedRange<Int>,
    affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    let element = "a whole number \(Self.words(range))"
    let node = find(key)
    if let node {
      guard case .list(let elements) = node.content else {
        throw wrong(node, key, expected: "a list such as [256, 128]", remedy: "Put the values in brackets.")
      }
      var numbers: [Int] = []
      for item in elements {
        let number = try Self.integer(item, name: name(key), expected: element)
        try check(key, item, range.contains(number), expected: element, found: number)
        numbers.append(number)
      }
      value = numbers
    }
    try check(
      key, node, value.allSatisfy(range.contains), expected: "only whole numbers \(Self.words(range))",
      found: value)
    try check(
      key, node, count.contains(value.count), expected: "\(Self.words(count)) values", found: value.count)
    record(key, "[" + value.map { "\($0)" }.joined(separator: ", ") + "]", affectsWeights)
  }

  /// A number, not necessarily whole, never infinite.
  func number(
    _ key: String, _ value: inout Double, _ range: NumberRange, affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    var optional: Double? = value
    try number(key, &optional, range, affectsWeights: affectsWeights)
    if let given = optional { value = given }
  }

  /// A number that may be missing.
  func number(
    _ key: String, _ value: inout Double?, _ range: NumberRange, affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    let expected = "a number \(range.words)"
    let node = find(key)
    if let node {
      guard case .scalar(let text, quoted: false) = node.content, let number = Self.number(text) else {
        throw wrong(node, key, expected: expected, remedy: "Write the number without quotes or units.")
      }
      value = number
    }
    try check(key, node, value.map(range.contains) ?? true, expected: expected, found: value)
    record(key, value.map { "\($0)" }, affectsWeights)
  }

  /// `true` or `false`.
  func flag(_ key: String, _ value: inout Bool, affectsWeights: Bool = true) throws(ConfigurationError) {
    if let node = find(key) {
      switch node.content {
      case .scalar("true", quoted: false): value = true
      case .scalar("false", quoted: false): value = false
      default: throw wrong(node, key, expected: "true or false", remedy: "Write true or false.")
      }
    }
    record(key, "\(value)", affectsWeights)
  }

  /// A text that may be missing, such as a path.
  func text(
    _ key: String, _ value: inout String?, affectsWeights: Bool = true
  ) throws(ConfigurationError) {
    if let node = find(key) {
      guard case .scalar(let text, _) = node.content, !text.isEmpty, !text.contains("\0") else {
        throw wrong(node, key, expected: "a text", remedy: "Put it in quotes if it has special characters.")
      }
      value = text
    }
    record(key, value.map(YAMLText.quoted), affectsWeights)
  }

  /// One of a few names.
  func choice<Choice>(
    _ key: String, _ value: inout Choice, affectsWeights: Bool = true
  ) throws(ConfigurationError)
  where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
    let names = Choice.allCases.map(\.rawValue)
    if let node = find(key) {
      guard case .scalar(let text, _) = node.content else {
        throw wrong(
          node, key, expected: "one of \(names.joined(separator: ", "))", remedy: "Write one of the names.")
      }
      guard let choice = Choice(rawValue: text) else {
        let near = NearestName.nearest(to: text, among: names)
        throw wrong(
          node, key, expected: "one of \(names.joined(separator: ", "))",
          remedy: near.map { "Did you mean \($0)?" } ?? "Write one of the names.")
      }
      value = choice
    }
    record(key, value.rawValue, affectsWeights)
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

  private func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

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

  private func find(_ key: String) -> ConfigurationNode? {
    asked.append(key)
    return present(key)?.value
  }

  private func record(_ key: String, _ text: String?, _ affectsWeights: Bool) {
    guard let text else { return }
    records.append(Record(key: key, affectsWeights: affectsWeights, resolved: .value(text)))
  }

  private func check(
    _ key: String, _ node: ConfigurationNode?, _ isRight: Bool, expected: String, found: (some Any)?
  ) throws(ConfigurationError) {
    guard purpose != .writing, !isRight else { return }
    throw ConfigurationError(
      at: node?.place ?? place, expected: "\(name(key)): \(expected)",
      found: found.map { "\($0)" } ?? "nothing", remedy: "Choose a value in this range.")
  }

  private func wrong(
    _ node: ConfigurationNode, _ key: String, expected: String, remedy: String
  ) -> ConfigurationError {
    ConfigurationError(
      at: node.place, expected: "\(name(key)): \(expected)", found: node.summary, remedy: remedy)
  }

  private static func integer(
    _ node: ConfigurationNode, name: String, expected: String
  ) throws(ConfigurationError) -> Int {
    // Digits may be grouped as in 60_000.
    guard case .scalar(let text, quoted: false) = node.content,
      text.utf8.allSatisfy({ "+-_0123456789".utf8.contains($0) }), text.first != "_", text.last != "_",
      let number = Int(text.filter { $0 != "_" })
    else {
      throw ConfigurationError(
        at: node.place, expected: "\(name): \(expected)", found: node.summary,
        remedy: "Write the number in digits, without quotes or units.")
    }
    return number
  }

  /// A decimal number; nil for anything else, infinities included.
  private static func number(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ "+-.eE0123456789".utf8.contains($0) }), let number = Double(text),
      number.isFinite
    else { return nil }
    return number
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    range.upperBound == .max
      ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
  }
}
