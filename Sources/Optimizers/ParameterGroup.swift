import TensorCore

/// Parameters that are trained differently from the rest, told by their names.
public struct ParameterGroup: Sendable, Equatable {
  /// A parameter's name, in which `*` stands for any characters: `head.*`, `*.bias`.
  public var match: String
  /// The learning rate is multiplied by it. With 0 the parameters do not change at all.
  public var learningRateFactor: Double
  /// In place of the rule's weight decay; nil: the same.
  public var weightDecay: Double?

  public init(_ match: String, learningRateFactor: Double = 1, weightDecay: Double? = nil) {
    self.match = match
    self.learningRateFactor = learningRateFactor
    self.weightDecay = weightDecay
  }

  /// Whether a parameter of this name belongs to the group.
  public func matches(_ name: String) -> Bool {
    let (pattern, name) = (Array(match.utf8), Array(name.utf8))
    let star = UInt8(ascii: "*")
    var (position, place) = (0, 0)
    /// Behind the last star, and how far what it stands for reaches: where to begin anew.
    var retry: (position: Int, place: Int)?
    while place < name.count {
      if position < pattern.count, pattern[position] == star {
        position += 1
        retry = (position, place)
      } else if position < pattern.count, pattern[position] == name[place] {
        position += 1
        place += 1
      } else if let last = retry {
        retry = (last.position, last.place + 1)
        (position, place) = (last.position, last.place + 1)
      } else {
        return false
      }
    }
    return pattern[position...].allSatisfy { $0 == star }
  }
}

/// What one parameter's update differs in from another's.
package struct ParameterSettings: Equatable, Sendable {
  package var learningRateFactor: Double
  package var weightDecay: Double
  package var l1: Double
  package var l2: Double
  /// Whether LARS and LAMB measure the step by the parameter's norm.
  package var isAdapted: Bool

  package init(
    learningRateFactor: Double = 1, weightDecay: Double = 0, l1: Double = 0, l2: Double = 0,
    isAdapted: Bool = true
  ) {
    self.learningRateFactor = learningRateFactor
    self.weightDecay = weightDecay
    self.l1 = l1
    self.l2 = l2
    self.isAdapted = isAdapted
  }

  package var isFrozen: Bool { learningRateFactor == 0 }
}

extension Optimizer {
  package func settings(for entry: VectorLayout.Entry) -> ParameterSettings {
    let group = groups.first { $0.matches(entry.name) }
    let isExempt = !decaysNormsAndBiases && entry.shape.dimensions.count <= 1
    return ParameterSettings(
      learningRateFactor: group?.learningRateFactor ?? 1,
      weightDecay: group?.weightDecay ?? (isExempt ? 0 : rule.weightDecay),
      l1: isExempt ? 0 : l1, l2: isExempt ? 0 : l2, isAdapted: !isExempt)
  }

  /// The first group to which none of a model's parameters belongs: hardly what its author meant.
  package func emptyGroup(in layout: VectorLayout) -> ParameterGroup? {
    groups.first { group in !layout.entries.contains { group.matches($0.name) } }
  }
}
