// Before the first step all ranks compare what must be equal: program, libraries, configuration, model,
// data. Each part has a name and a value; a value that is long is better given as a digest.

/// A part of the fingerprint in which ranks differ.
public struct FingerprintDifference: Sendable, Equatable, CustomStringConvertible {
  /// The ranks that hold one value.
  public struct Holder: Sendable, Equatable {
    /// The value; nil for ranks that do not know this part.
    public let value: String?
    /// Who holds it, ascending.
    public let ranks: [Int]

    public init(value: String?, ranks: [Int]) {
      self.value = value
      self.ranks = ranks
    }
  }

  /// The part's name.
  public let name: String
  /// The different values, in the order of the first ranks that hold them.
  public let holders: [Holder]

  public init(name: String, holders: [Holder]) {
    self.name = name
    self.holders = holders
  }

  public var description: String {
    let each = holders.map { holder in
      "\(describeRanks(holder.ranks)) \(holder.ranks.count == 1 ? "has" : "have") \(holder.value ?? "none")"
    }
    return "\(name) differs: \(each.joined(separator: "; "))"
  }
}

/// Compares every rank's `parts` and returns those that differ, in the order of rank 0's parts (behind
/// them, parts that rank 0 does not have). The result is the same on all ranks; it is empty if all agree.
///
/// A collective call. The names of one rank's parts are all different.
public func compareFingerprints(
  _ parts: [(name: String, value: String)], over communicator: any Communicator
) throws(MessagePassingError) -> [FingerprintDifference] {
  precondition(Set(parts.map(\.name)).count == parts.count, "two parts of a fingerprint have the same name")
  let gathered = try StringPacking.gather(parts.flatMap { [$0.name, $0.value] }, over: communicator)
  var names: [String] = []
  var valuesOfRanks: [[String: String]] = []
  for strings in gathered {
    var values: [String: String] = [:]
    for index in stride(from: 0, to: strings.count - 1, by: 2) {
      if !names.contains(strings[index]) { names.append(strings[index]) }
      values[strings[index]] = strings[index + 1]
    }
    valuesOfRanks.append(values)
  }
  return names.compactMap { name in
    let groups = groupRanks(by: valuesOfRanks.map { $0[name] })
    if groups.count < 2 { return nil }
    return FingerprintDifference(name: name, holders: groups.map { .init(value: $0.value, ranks: $0.ranks) })
  }
}
