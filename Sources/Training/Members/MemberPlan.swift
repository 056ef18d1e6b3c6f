import Checkpoints
import Foundation
import TensorCore

/// One training among several: a complete configuration, and what is particular about it.
package struct Member: Sendable, Codable, Equatable {
  package struct Parameter: Sendable, Codable, Equatable {
    package let key: String
    /// In YAML.
    package let value: String

    package init(key: String, value: String) { (self.key, self.value) = (key, value) }
  }

  /// From 1, in the order of the plan.
  package let number: Int
  package let parameters: [Parameter]
  /// The configuration; nil where there can be none.
  package let configuration: String?
  /// Why there can be none.
  package let mistake: String?
  /// What its configuration asks of ranks; nil where there is none.
  package var needs: MemberNeeds?

  package init(
    number: Int, parameters: [Parameter], configuration: String?, mistake: String? = nil,
    needs: MemberNeeds? = nil
  ) {
    (self.number, self.parameters) = (number, parameters)
    (self.configuration, self.mistake, self.needs) = (configuration, mistake, needs)
  }

  /// `007`
  package var name: String { String(format: "%03d", number) }
}

/// What a member's configuration asks of the ranks that train it, for whoever deals ranks and does not read all of it.
package struct MemberNeeds: Sendable, Codable, Equatable {
  /// The most that can share a step.
  package let mostRanks: Int
  /// Of each rank.
  package let threads: Int
  /// `allreduce`: the averaging, where the bits depend on the number of ranks.
  package let boundAveraging: String?

  package init(mostRanks: Int, threads: Int = 1, boundAveraging: String? = nil) {
    (self.mostRanks, self.threads, self.boundAveraging) = (mostRanks, threads, boundAveraging)
  }

  init(_ configuration: RunConfiguration) {
    mostRanks = configuration.mostRanks
    threads = configuration.threads
    let strategy = configuration.averaging.strategy
    boundAveraging = strategy == .allreduce || strategy == .periodic ? strategy.rawValue : nil
  }
}

/// Which trainings belong together, and how they are compared. It is made once, and kept in the folder of all.
package struct MemberPlan: Sendable, Codable, Equatable {
  package enum Kind: String, Sendable, Codable {
    /// Of different settings, of which the best is looked for.
    case sweep
    /// Of the same settings on different parts of the data, over which the mean is taken.
    case folds
  }

  package var format = 1
  package let kind: Kind
  package let compare: MemberFigure
  package var members: [Member]
  /// The ranks of a member, as they were asked for.
  package let ranks: Int?
  /// The ranks of a member in all starts, where bits depend on it.
  package var boundRanks: Int?
  /// What this start is known by.
  package var start = ""

  package static let name = "plan.json"

  func configuration(of member: Member) throws -> RunConfiguration {
    guard let text = member.configuration else {
      throw AgreedFailure(messages: [member.mistake ?? "it has no configuration"])
    }
    return try RunConfiguration.parse(text, file: "\(Self.name), member \(member.name)")
  }

  /// Whether another plan has the same members to be compared alike.
  func isSame(as other: MemberPlan) -> Bool {
    kind == other.kind && members.elementsEqual(other.members) { $0.isSame(as: $1) }
      && compare == other.compare && ranks == other.ranks
  }

  /// Notes what members ask of ranks where that is not known: earlier versions did not.
  mutating func completeNeeds() {
    for (index, member) in members.enumerated() where member.needs == nil && member.configuration != nil {
      members[index].needs = (try? configuration(of: member)).map(MemberNeeds.init)
    }
  }

  /// `allreduce`: the averaging of which the bits depend on the ranks, if there is a member with such.
  var boundAveraging: String? { members.lazy.compactMap { $0.needs?.boundAveraging }.first }

  /// Where bits depend on the ranks of a member, these are settled at the first start. Refuses a start that has fewer.
  mutating func bindRanks(_ ranks: Int, at place: String) throws(TrainingError) {
    guard let averaging = boundAveraging else { return }
    let most = members.compactMap { $0.needs?.mostRanks }
    // Any group may train any member.
    let groups = MemberGroups(
      ranks: ranks, wanted: self.ranks, most: most.map { [least = most.min() ?? 1] _ in least })
    let bound = boundRanks ?? groups.ranges.map(\.count).min() ?? 1
    boundRanks = bound
    guard ranks >= bound else {
      throw TrainingError(
        at: place,
        expected:
          "at least \(bound) ranks: with averaging \(averaging) bits depend on the ranks of a member, and "
          + "these members began with \(bound) each",
        found: "\(ranks)",
        remedy: "Come back with \(bound) ranks, or a multiple; or begin anew in another folder (--out).")
    }
  }

  // MARK: - As a file

  /// Several times that of as many members as there may be.
  static let greatestSize = 48 << 20
  /// Eighty for each of them.
  private static let mostValues = 800_000

  package func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }

  package init(_ bytes: [UInt8], at place: String) throws(TrainingError) {
    guard bytes.count <= Self.greatestSize,
      JSONBounds.excess(in: bytes, values: Self.mostValues, depth: 8) == nil,
      let plan = try? Self.decode(bytes), plan.format == 1,
      !plan.members.isEmpty, plan.members.map(\.number) == Array(1...plan.members.count)
    else {
      throw TrainingError(
        at: place, expected: "the plan of a sweep or a cross-validation, as Lockstep writes it",
        found: "\(bytes.count) other bytes", remedy: "Begin anew in another folder (--out).")
    }
    self = plan
  }

  /// Without a copy of all the bytes.
  private static func decode(_ bytes: [UInt8]) throws -> MemberPlan {
    try bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else {
        return try JSONDecoder().decode(MemberPlan.self, from: Data())
      }
      let data = Data(
        bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none)
      return try JSONDecoder().decode(MemberPlan.self, from: data)
    }
  }

  package init(kind: Kind, compare: MemberFigure, ranks: Int?, members: [Member]) {
    (self.kind, self.compare, self.ranks, self.members) = (kind, compare, ranks, members)
  }
}

extension RunConfiguration {
  /// The same with its number of shards settled: from the batch, and from the ranks that were asked for a member, never
  /// from those that there are, so that the bits are the same on all.
  func withShards(ranks: Int?) -> RunConfiguration {
    var settled = self
    let ranks = ranks ?? 1
    if shards == nil,
      let found = try? TrainerDraft.shards(
        shardsPerStep(ranks: ranks), batch: samplesPerStep, ranks: ranks)
    {
      settled.shards = found.count / accumulate
    }
    return settled
  }

  /// The most ranks that can share a step.
  var mostRanks: Int { min(shards.map { $0 * accumulate } ?? samplesPerStep, samplesPerStep) }
}

extension MemberPlan {
  /// `a sweep of 12 members`
  var words: String {
    kind == .sweep
      ? "a sweep of \(members.count) \(members.count == 1 ? "member" : "members")"
      : "a cross-validation over \(members.count) folds"
  }

  /// What there is in the place of `other`.
  func difference(from other: MemberPlan) -> String {
    guard kind == other.kind, members.count == other.members.count else { return words }
    guard let (own, _) = zip(members, other.members).first(where: { !$0.isSame(as: $1) }) else {
      return "\(words) with ranks \(ranks.map(String.init) ?? "left open"), compare \(compare.rawValue)"
    }
    return "\(words), of which member \(own.name) (\(own.words)) is another"
  }
}

extension Member {
  /// Whether another is the same training; what it needs follows from that.
  func isSame(as other: Member) -> Bool {
    var other = other
    other.needs = needs
    return self == other
  }

  /// `optimizer.learningRate 0.1, batch 64`
  var words: String { parameters.map { "\($0.key) \($0.value)" }.joined(separator: ", ") }
}
