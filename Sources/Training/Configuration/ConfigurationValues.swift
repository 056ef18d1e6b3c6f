// The single values of a section. Each call records the value that holds, whether it was written or is the default.

extension ConfigurationReader {
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

  // MARK: - From texts

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
