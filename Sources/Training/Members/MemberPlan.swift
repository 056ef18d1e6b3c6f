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

  package init(number: Int, parameters: [Parameter], configuration: String?, mistake: String? = nil) {
    (self.number, self.parameters) = (number, parameters)
    (self.configuration, self.mistake) = (configuration, mistake)
  }

  /// `007`
  package var name: String { String(format: "%03d", number) }
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
  package let members: [Member]
  /// The ranks of a member, as they were asked for.
  package let ranks: Int?
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
    kind == other.kind && members == other.members && compare == other.compare
      && ranks == other.ranks
  }

  // MARK: - As a file

  package func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }

  package init(_ bytes: [UInt8], at place: String) throws(TrainingError) {
    guard JSONBounds.excess(in: bytes, values: 4_000_000, depth: 8) == nil,
      let plan = try? JSONDecoder().decode(MemberPlan.self, from: Data(bytes)), plan.format == 1,
      !plan.members.isEmpty, plan.members.map(\.number) == Array(1...plan.members.count)
    else {
      throw TrainingError(
        at: place, expected: "the plan of a sweep or a cross-validation, as Lockstep writes it",
        found: "\(bytes.count) other bytes", remedy: "Begin anew in another folder (--out).")
    }
    self = plan
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
    guard let (own, _) = zip(members, other.members).first(where: { $0 != $1 }) else {
      return "\(words) with ranks \(ranks.map(String.init) ?? "left open"), compare \(compare.rawValue)"
    }
    return "\(words), of which member \(own.name) (\(own.words)) is another"
  }
}

extension Member {
  /// `optimizer.learningRate 0.1, batch 64`
  var words: String { parameters.map { "\($0.key) \($0.value)" }.joined(separator: ", ") }
}
