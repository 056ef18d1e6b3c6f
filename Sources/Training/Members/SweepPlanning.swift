import Foundation
import TensorCore

extension MemberPlan {
  /// The members of a sweep's file.
  ///
  /// Every member's configuration is read and checked. A value that is wrong in all members that have it is a mistake of
  /// the file, and thrown. Where only a combination is wrong, its member is left out with the reason.
  ///
  /// - Parameter overrides: the values of `--set`, for all members.
  package static func sweep(
    _ path: String, overrides: [String] = []
  ) throws(ConfigurationError) -> MemberPlan {
    let definition = try SweepDefinition.load(path)
    let text = try ConfigurationText(beside(path, definition.base ?? ""))
    var common: [ConfigurationOverride] = []
    for entry in definition.settings {
      common.append(try ConfigurationOverride(entry.key, entry.value, at: entry.place))
    }
    common += try ConfigurationOverride.parse(overrides)
    try definition.requireUnset(common)

    var members: [Member] = []
    var mistakes = Mistakes()
    for combination in try definition.combinations() {
      var mistake: ConfigurationError?
      var settled: RunConfiguration?
      do {
        let configuration = try text.configuration(common + combination.map(\.override))
        try configuration.requireResults(at: path)
        settled = configuration.withShards(ranks: definition.ranks)
      } catch {
        mistake = error
      }
      mistakes.note(mistake, combination.filter { !$0.isDrawn }.map(\.parameter))
      members.append(
        Member(
          number: members.count + 1, parameters: combination.map(\.parameter), configuration: settled?.yaml,
          mistake: mistake.map { "\($0)" }, needs: settled.map(MemberNeeds.init)))
    }
    if let mistake = mistakes.ofTheFile { throw mistake }
    return MemberPlan(
      kind: .sweep, compare: definition.compare, ranks: definition.ranks, members: members)
  }

  /// A file that another file names: beside that one, unless it is a preset, or there is none.
  private static func beside(_ path: String, _ name: String) -> String {
    guard !name.hasPrefix("/"), ConfigurationPreset.named(name) == nil, let slash = path.lastIndex(of: "/"),
      FileManager.default.fileExists(atPath: path[...slash] + name)
    else { return name }
    return path[...slash] + name
  }

  /// Which values were wrong in every member.
  private struct Mistakes {
    private var first: ConfigurationError?
    private var hasRight = false
    /// In the order of the members.
    private var values: [(parameter: Member.Parameter, error: ConfigurationError?)] = []
    private var places: [String: Int] = [:]

    mutating func note(_ mistake: ConfigurationError?, _ parameters: [Member.Parameter]) {
      first = first ?? mistake
      if mistake == nil { hasRight = true }
      for parameter in parameters {
        let name = "\(parameter.key)=\(parameter.value)"
        if let place = places[name] {
          if mistake == nil { values[place].error = nil }
        } else {
          places[name] = values.count
          values.append((parameter, mistake))
        }
      }
    }

    var ofTheFile: ConfigurationError? {
      guard hasRight else { return first }
      return values.lazy.compactMap(\.error).first
    }
  }
}

extension RunConfiguration {
  /// Refuses what leaves nothing to compare members by, as far as that can be told without the data.
  fileprivate func requireResults(at place: String) throws(ConfigurationError) {
    guard !data.name.isText, validation.fraction == 0, validation.folds == nil else { return }
    // Of files that are not there it is said later that they are not.
    if let path = data.path, !FileManager.default.fileExists(atPath: path) { return }
    guard !DataSource(self).hasTestSplit else { return }
    throw ConfigurationError(
      at: place, expected: "samples to compare the members by", found: "neither validation nor test samples",
      remedy: "Hold some out: set: {validation.fraction: 0.1}")
  }
}

extension SweepDefinition {
  /// Refuses values for all members of what each member has a value of its own for, and that nobody would see.
  fileprivate func requireUnset(_ settings: [ConfigurationOverride]) throws(ConfigurationError) {
    let varied = (grid.map(\.key) + random.parameters.map(\.key)).map {
      $0.split(separator: ".").map(String.init)
    }
    for setting in settings {
      guard let key = varied.first(where: { setting.path.starts(with: $0) }) else { continue }
      throw ConfigurationError(
        at: setting.place, expected: "a setting that the sweep does not vary",
        found: setting.path.joined(separator: "."),
        remedy: "Leave it out, or take \(key.joined(separator: ".")) out of grid or random.")
    }
  }

  /// One value of one setting.
  struct Choice {
    let override: ConfigurationOverride
    let parameter: Member.Parameter
    let isDrawn: Bool

    init(_ key: String, _ value: ConfigurationNode, at place: String, isDrawn: Bool)
      throws(ConfigurationError)
    {
      override = try ConfigurationOverride(key, value, at: place)
      parameter = Member.Parameter(key: key, value: value.flowText)
      self.isDrawn = isDrawn
    }
  }

  /// What each member chooses: trial by trial all of the grid, of which the last setting changes first.
  func combinations() throws(ConfigurationError) -> [[Choice]] {
    var points: [[Choice]] = [[]]
    for setting in grid {
      var next: [[Choice]] = []
      for point in points {
        for value in setting.values {
          next.append(
            point + [try Choice(setting.key, value, at: value.place, isDrawn: false)])
        }
      }
      points = next
    }
    guard let trials = random.trials else { return points }
    var all: [[Choice]] = []
    for trial in 0..<trials {
      var drawn: [Choice] = []
      for parameter in random.parameters {
        let value = parameter.draw(trial: trial, seed: random.seed)
        drawn.append(try Choice(parameter.key, value, at: value.place, isDrawn: true))
      }
      all += points.map { $0 + drawn }
    }
    return all
  }
}

extension MemberPlan {
  /// The folds of a cross-validation: the same configuration, of which each holds out another fold.
  ///
  /// - Parameters:
  ///   - folds: at least 2.
  ///   - ranks: of each.
  ///   - overrides: the values of `--set`.
  package static func folds(
    _ folds: Int, isStratified: Bool = false, ranks: Int? = nil, of configuration: String,
    overrides: [String] = []
  ) throws(ConfigurationError) -> MemberPlan {
    let text = try ConfigurationText(configuration)
    let common = try ConfigurationOverride.parse(overrides)
    // What is held out otherwise gives way.
    let ours =
      ["validation.fraction=0", "validation.folds=\(folds)"]
      + (isStratified ? ["validation.stratified=true"] : [])
    var members: [Member] = []
    for fold in 1...folds {
      let settings = try ConfigurationOverride.parse(ours + ["validation.fold=\(fold)"])
      let configuration = try text.configuration(common + settings).withShards(ranks: ranks)
      members.append(
        Member(
          number: fold, parameters: [.init(key: "fold", value: "\(fold)")],
          configuration: configuration.yaml, needs: MemberNeeds(configuration)))
    }
    return MemberPlan(kind: .folds, compare: .auto, ranks: ranks, members: members)
  }
}
