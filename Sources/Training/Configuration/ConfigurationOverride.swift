/// `--set a.b=value`: one value of the configuration said on the command line.
struct ConfigurationOverride {
  let path: [String]
  let value: ConfigurationNode
  /// The override as it was given, for messages.
  let place: String

  /// - Parameter text: `a.b=value`, the value in YAML: `0.1`, `[256, 128]`, `{name: adam}`; `null` or
  ///   nothing takes the key back to its default.
  init(_ text: String) throws(ConfigurationError) {
    let short = text.count > 80 ? text.prefix(77) + "..." : text[...]
    let place = "--set \(short)"
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let path = Self.path(String(parts[0])) else {
      throw ConfigurationError(
        at: place, expected: "section.key=value", found: parts.count == 2 ? "\(parts[0])=" : "\(short)",
        remedy: "For example: --set optimizer.learningRate=0.05")
    }
    self.path = path
    self.place = place
    self.value = try ConfigurationNode.parseValue(String(parts[1]), place: place)
  }

  /// - Parameters:
  ///   - key: `section.key`, which stands at `place` of a file.
  ///   - value: what stands there for it.
  init(_ key: String, _ value: ConfigurationNode, at place: String) throws(ConfigurationError) {
    guard let path = Self.path(key) else {
      throw ConfigurationError(
        at: place, expected: "a setting's name, as section.key", found: "\"\(key)\"",
        remedy: "For example: optimizer.learningRate")
    }
    (self.path, self.place, self.value) = (path, place, value)
  }

  /// The names of the sections, and of the key, in `a.b.c`.
  private static func path(_ text: String) -> [String]? {
    let path = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let isRight =
      path.allSatisfy { !$0.isEmpty && !$0.contains(" ") } && path.count <= ConfigurationNode.depthLimit
    return isRight ? path : nil
  }

  /// Those of the command line.
  static func parse(_ texts: [String]) throws(ConfigurationError) -> [ConfigurationOverride] {
    var overrides: [ConfigurationOverride] = []
    for text in texts { overrides.append(try ConfigurationOverride(text)) }
    return overrides
  }

  /// Puts the value into `node`, in place of what is there; missing sections are made.
  func apply(to node: inout ConfigurationNode) throws(ConfigurationError) {
    try apply(path[...], to: &node)
  }

  private func apply(_ rest: ArraySlice<String>, to node: inout ConfigurationNode) throws(ConfigurationError)
  {
    guard let key = rest.first else {
      node = value
      return
    }
    if node.isNull { node = .emptySection(at: place) }
    guard case .section(var entries) = node.content else {
      let name = path[..<rest.startIndex].joined(separator: ".")
      throw ConfigurationError(
        at: place, expected: "\"\(name)\" to be a section that can hold \"\(key)\"",
        found: "\(node.summary) (\(node.place))",
        remedy: "Set \(name) itself, or check the name before the last dot.")
    }
    if let index = entries.firstIndex(where: { $0.key == key }) {
      // What is inside a section keeps its own places; the key itself now comes from here.
      var child = entries[index].value
      try apply(rest.dropFirst(), to: &child)
      let isTarget = rest.count == 1
      entries[index] = ConfigurationNode.Entry(
        key: key, place: isTarget ? place : entries[index].place, value: child)
    } else {
      var child = ConfigurationNode.emptySection(at: place)
      try apply(rest.dropFirst(), to: &child)
      entries.append(ConfigurationNode.Entry(key: key, place: place, value: child))
    }
    node.content = .section(entries)
  }
}
