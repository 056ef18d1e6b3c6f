import Foundation
import Testing
import Training

/// A sweep's file, in a folder of its own.
private func plan(_ yaml: String, base: String? = nil, overrides: [String] = []) throws -> MemberPlan {
  let folder = FileManager.default.temporaryDirectory.path + "/sweep-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try Data(yaml.utf8).write(to: URL(fileURLWithPath: folder + "/sweep.yaml"))
  if let base { try Data(base.utf8).write(to: URL(fileURLWithPath: folder + "/base.yaml")) }
  return try MemberPlan.sweep(folder + "/sweep.yaml", overrides: overrides)
}

private func configurations(_ plan: MemberPlan) throws -> [RunConfiguration] {
  try plan.members.map { member in
    try RunConfiguration.parse(
      try #require(member.configuration, "\(member.mistake ?? "")"), file: member.name)
  }
}

private func failure(_ yaml: String) throws -> ConfigurationError {
  try #require(throws: ConfigurationError.self, "\(yaml)", performing: { try plan(yaml) })
}

@Suite struct SweepPlanTests {
  @Test func aGridHasEveryCombinationAndTheLastSettingChangesFirst() throws {
    let plan = try plan(
      """
      base: digits
      set: {epochs: 3, data.samples: 700}
      grid:
        optimizer.learningRate: [0.1, 0.2]
        model.hidden: [[8], [16, 8], []]
      """, overrides: ["batch=32", "epochs=4"])
    #expect(plan.members.map(\.number) == Array(1...6))
    #expect(plan.members[1].parameters.map(\.value) == ["0.1", "[16, 8]"])
    let all = try configurations(plan)
    #expect(all.map(\.optimizer.learningRate) == [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    #expect(all.map(\.model.hidden) == [[8], [16, 8], [], [8], [16, 8], []])
    // The command line has the last word on what all have in common.
    #expect(all.allSatisfy { $0.length == .epochs(4) && $0.data.samples == 700 && $0.batch == 32 })
  }

  @Test func aMemberIsWhatItsSettingsAreByThemselves() throws {
    let plan = try plan("base: digits\ngrid: {optimizer.learningRate: [0.3]}\n")
    var alone = try RunConfiguration.load("digits", overrides: ["optimizer.learningRate=0.3"])
    let member = try configurations(plan)[0]
    #expect(member.shards != nil)
    alone.shards = member.shards
    #expect(member == alone)
  }

  /// The number of shards, on which the bits depend, comes from the file and never from the ranks that there are.
  @Test func ranksThatAreAskedForRaiseTheShards() throws {
    let text = "base: base.yaml\nset: {batch: 64}\ngrid: {seed: [0, 1]}\n"
    let base = "data: {name: digits}\n"
    let few = try configurations(try plan(text, base: base))
    let many = try configurations(try plan(text + "ranks: 16\n", base: base))
    #expect(few.allSatisfy { ($0.shards ?? 99) < 16 } && many.allSatisfy { $0.shards == 16 })
  }

  @Test func aBaseIsLookedForBesideTheSweep() throws {
    let plan = try plan(
      "base: base.yaml\ngrid: {seed: [5]}\n", base: "data: {name: digits, samples: 123}\n")
    #expect(try configurations(plan)[0].data.samples == 123)
  }

  private static let search = """
    base: digits
    random:
      trials: 40
      seed: 7
      parameters:
        optimizer.learningRate: {logUniform: [0.001, 1]}
        batch: {integer: [16, 20]}
        model.hidden: {choice: [[8], [16]]}
        optimizer.momentum: {uniform: [0.5, 0.9]}
    """

  @Test func drawnSettingsRepeatAndLieInTheirBounds() throws {
    let first = try plan(Self.search)
    #expect(try plan(Self.search) == first)
    #expect(try plan(Self.search.replacing("seed: 7", with: "seed: 8")) != first)
    let all = try configurations(first)
    #expect(all.count == 40)
    let rates = all.map(\.optimizer.learningRate)
    #expect(Set(rates).count > 35 && rates.allSatisfy { 0.001...1 ~= $0 })
    // Of three powers of ten each has about a third.
    #expect((6...22).contains(rates.count { $0 < 0.01 }) && (6...22).contains(rates.count { $0 > 0.1 }))
    #expect(Set(all.map(\.batch)) == [16, 17, 18, 19, 20])
    #expect(Set(all.map(\.model.hidden)) == [[8], [16]])
    #expect(all.allSatisfy { 0.5...0.9 ~= $0.optimizer.momentum })
  }

  @Test func aDrawDependsOnNothingButItsTrialAndName() throws {
    func rates(_ yaml: String) throws -> [String] {
      try plan(yaml).members.map { $0.parameters.first { $0.key == "optimizer.learningRate" }?.value ?? "" }
    }
    let lines = Self.search.split(separator: "\n")
    let alone = lines.filter { !$0.contains("batch:") && !$0.contains("hidden") }.joined(separator: "\n")
    #expect(try rates(alone) == rates(Self.search))
    #expect(
      try rates(Self.search.replacing("trials: 40", with: "trials: 10")) == Array(rates(Self.search)[..<10]))
  }

  @Test func everyDrawMeetsAllOfTheGrid() throws {
    let plan = try plan(
      """
      base: digits
      grid: {seed: [1, 2]}
      random: {trials: 3, parameters: {optimizer.learningRate: {uniform: [0.1, 0.5]}}}
      """)
    #expect(plan.members.count == 6)
    let rates = plan.members.map { $0.parameters[1].value }
    #expect(rates[0] == rates[1] && rates[2] == rates[3] && rates[0] != rates[2])
    #expect(plan.members.map { $0.parameters[0].value } == ["1", "2", "1", "2", "1", "2"])
  }

  @Test(arguments: [
    ("base: digits\ngird: {seed: [1]}\n", "sweep.yaml:2", "grid"),
    ("bsae: digits\ngrid: {seed: [1]}\n", "sweep.yaml:1", "Did you mean base?"),
    ("base: digist\ngrid: {seed: [1]}\n", "digist", "Did you mean the preset digits?"),
    ("base: digits\ngrid:\n  optimizer.learningRat: [1]\n", "sweep.yaml:3", "optimizer.learningRate"),
    ("base: digits\nset: {epohcs: 3}\ngrid: {seed: [1]}\n", "sweep.yaml:2", "epochs"),
    ("base: digits\ngrid: {seed: 1}\n", "sweep.yaml:2", "brackets"),
    ("base: digits\ngrid: {batch: [32, many]}\n", "sweep.yaml:2", "digits"),
    ("base: digits\n", "sweep.yaml", "grid:"),
    ("base: digits\ngrid: {seed: [1]}\ncompare: accurracy\n", "sweep.yaml:3", "accuracy"),
    ("base: digits\ngrid: {seed: [1]}\nranks: 0\n", "sweep.yaml:3", "range"),
    ("base: digits\nrandom: {trials: 3}\n", "sweep.yaml:2", "parameters"),
    ("base: digits\nrandom: {parameters: {seed: {integer: [1, 2]}}}\n", "sweep.yaml:2", "trials"),
    ("base: digits\nrandom: {trials: 2, parameters: {seed: {integr: [1, 2]}}}\n", "sweep.yaml:2", "integer"),
    ("base: digits\nrandom: {trials: 2, parameters: {seed: {integer: [2, 1]}}}\n", "sweep.yaml:2", "16, 256"),
    (
      "base: digits\nrandom: {trials: 2, parameters: {seed: {integer: [-9000000000000000000, 9000000000000000000]}}}\n",
      "sweep.yaml:2", "fewer"
    ),
    ("base: digits\nset: {seed: 9}\ngrid: {seed: [1, 2]}\n", "sweep.yaml:2", "take seed out"),
    ("base: digits\nset: {data.testSamples: 0}\ngrid: {seed: [1, 2]}\n", "sweep.yaml", "validation.fraction"),
    (
      "base: digits\nrandom: {trials: 2, parameters: {optimizer.learningRate: {logUniform: [0, 1]}}}\n",
      "sweep.yaml:2", "uniform"
    ),
    (
      "base: digits\ngrid: {seed: [1]}\nrandom: {trials: 2, parameters: {seed: {integer: [1, 2]}}}\n",
      "sweep.yaml:3", "one of the two"
    ),
    // A draw that is never right.
    (
      "base: digits\nrandom: {trials: 4, parameters: {batch: {integer: [-9, -1]}}}\n", "sweep.yaml:2", "range"
    ),
  ])
  func mistakesSayWhereAndWhatWasMeant(_ yaml: String, place: String, remedy: String) throws {
    let diagnosis = try failure(yaml).diagnosis
    #expect(diagnosis.place.hasSuffix(place), "\(diagnosis)")
    #expect(diagnosis.remedy.contains(remedy), "\(diagnosis)")
  }

  @Test func theWidestRangeOfWholeNumbersIsDrawnFrom() throws {
    let yaml = "base: digits\nrandom: {trials: 20, parameters: {seed: {integer: [0, \(Int.max)]}}}\n"
    let seeds = try configurations(try plan(yaml)).map(\.seed)
    #expect(Set(seeds).count == 20 && seeds.contains { $0 > Int.max / 2 })
  }

  /// What each member has a value of its own for, nobody would see.
  @Test func aSettingForAllThatTheSweepVariesIsRefused() throws {
    let yaml = "base: digits\ngrid: {optimizer.learningRate: [0.1, 0.2]}\n"
    let error = try #require(throws: ConfigurationError.self) {
      try plan(yaml, overrides: ["optimizer.learningRate=0.5"])
    }
    #expect(error.diagnosis.place.contains("--set") && error.diagnosis.found == "optimizer.learningRate")
    #expect(try plan(yaml, overrides: ["optimizer.momentum=0.5"]).members.count == 2)
    // What is beneath it goes with it; what is around it gives way to it.
    let whole = "base: digits\ngrid: {optimizer: [{name: sgd}, {name: adam}]}\n"
    #expect(throws: ConfigurationError.self) { try plan(whole, overrides: ["optimizer.learningRate=0.5"]) }
    let around = try plan(yaml, overrides: ["optimizer={name: adam}"])
    #expect(try configurations(around).map(\.optimizer.learningRate) == [0.1, 0.2])
  }

  /// Ranks are dealt by it, so that nobody has to read all configurations again.
  @Test func whatMembersNeedOfRanksIsKeptWithThem() throws {
    let plan = try plan(
      "base: digits\nset: {threads: 2, batch: 64}\ngrid: {shards: [1, 8], averaging.strategy: [auto, allreduce]}\n"
    )
    let read = try MemberPlan(plan.encoded(), at: "plan.json")
    #expect(read.members.map { $0.needs?.mostRanks } == [1, 1, 8, 8])
    #expect(read.members.map { $0.needs?.boundAveraging } == [nil, "allreduce", nil, "allreduce"])
    #expect(read.members.allSatisfy { $0.needs?.threads == 2 })
  }

  @Test func aSweepOfTooManyMembersIsRefusedBeforeItIsMade() throws {
    let values = (0..<300).map(String.init).joined(separator: ", ")
    let yaml =
      "base: digits\ngrid:\n"
      + ["seed", "batch", "shards", "threads"].map { "  \($0): [\(values)]\n" }.joined()
    #expect(try failure(yaml).diagnosis.expected.contains("10000 members"))
  }

  /// Momentum belongs to one optimizer, weight decay of that kind to the other: what is wrong is only the combination.
  @Test func aCombinationThatIsWrongIsLeftOutWithItsReason() throws {
    let plan = try plan(
      """
      base: digits
      grid:
        schedule.minimum: [0.001, 0.1]
        optimizer.learningRate: [0.01, 0.5]
      set: {schedule.name: cosine}
      """)
    #expect(plan.members.map { $0.mistake == nil } == [true, true, false, true])
    #expect(plan.members[2].mistake?.contains("schedule.minimum") == true)
    #expect(plan.members[2].configuration == nil)
  }

  @Test func aValueThatIsWrongWithAllOthersIsAMistakeOfTheFile() throws {
    let error = try failure("base: digits\ngrid:\n  seed: [1, 2]\n  batch: [32, 0]\n")
    #expect(error.diagnosis.place.hasSuffix("sweep.yaml:4") && error.diagnosis.found == "0", "\(error)")
  }

  @Test func aPlanComesBackFromItsFile() throws {
    let plan = try plan(Self.search)
    #expect(try MemberPlan(plan.encoded(), at: "plan.json") == plan)
    for bytes in [[], Array("{}".utf8), Array(try plan.encoded().dropLast(9))] {
      #expect(throws: TrainingError.self) { try MemberPlan(bytes, at: "plan.json") }
    }
  }

  @Test func foldsDifferInNothingButTheFold() throws {
    // What is held out by other settings gives way, that of one fold too.
    let plan = try MemberPlan.folds(
      3, of: "digits",
      overrides: ["validation.fraction=0.2", "validation.folds=9", "validation.fold=2", "seed=4"])
    let all = try configurations(plan)
    #expect(all.map(\.validation.fold) == [1, 2, 3] && all.allSatisfy { $0.validation.folds == 3 })
    let same = all.map { configuration in
      var configuration = configuration
      configuration.validation.fold = 1
      return configuration
    }
    #expect(same.allSatisfy { $0 == same[0] } && same[0].seed == 4 && same[0].validation.fraction == 0)
  }
}

@Suite struct FoldConfigurationTests {
  private func failure(_ overrides: [String], of preset: String = "digits") throws -> ConfigurationError {
    try #require(throws: ConfigurationError.self) {
      try RunConfiguration.load(preset, overrides: overrides)
    }
  }

  @Test func foldsAreReadAndWrittenAndBelongToTheIdentity() throws {
    let plain = try RunConfiguration.load("digits")
    // Runs of before have the same text.
    #expect(!plain.yaml.contains("fold") && !plain.trainingIdentity.contains("fold"))
    let folded = try RunConfiguration.load(
      "digits", overrides: ["validation.folds=5", "validation.fold=2", "validation.stratified=true"])
    #expect(folded.validation.folds == 5 && folded.validation.fold == 2 && folded.validation.stratified)
    #expect(try RunConfiguration.parse(folded.yaml, file: "x") == folded)
    for line in ["folds: 5", "fold: 2", "stratified: true"] {
      #expect(folded.trainingIdentity.contains(line))
    }
  }

  @Test func foldsThatMakeNoSenseAreRefused() throws {
    #expect(try failure(["validation.folds=5"]).diagnosis.expected.contains("validation.fold:"))
    #expect(try failure(["validation.folds=5", "validation.fold=6"]).diagnosis.found == "6")
    #expect(try failure(["validation.folds=1", "validation.fold=1"]).diagnosis.found == "1")
    #expect(try failure(["validation.fold=1"]).diagnosis.expected.contains("validation.folds"))
    let both = try failure(["validation.folds=5", "validation.fold=1", "validation.fraction=0.1"])
    #expect(both.diagnosis.expected.contains("validation.fraction"))
    let text = ["validation.folds=5", "validation.fold=1", "validation.stratified=true"]
    #expect(try failure(text, of: "gpt").diagnosis.expected.contains("blocks"))
  }
}
