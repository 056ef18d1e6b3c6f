import DistributedScenarios
import Foundation
import Testing

/// `lockstep sweep` and `lockstep crossvalidate` under real mpirun.
@Suite(.serialized) struct SweepTests {
  private static let small =
    "set: {data.samples: 640, data.testSamples: 60, model.hidden: [8], validation.fraction: 0.1, epochs: 2}\n"
  private static let five =
    "base: digits\n" + small + "grid: {optimizer.learningRate: [0.02, 0.05, 0.1, 0.2, 0.4]}\n"

  /// What a sweep came to, without what tells time or who trained: the lines of results.csv by their members.
  private static func results(_ place: Workplace, _ folder: String) throws -> [String: String] {
    let text = try String(contentsOfFile: place.file("\(folder)/results.csv"), encoding: .utf8)
    let rows = text.components(separatedBy: "\r\n").filter { !$0.isEmpty }
      .map { $0.components(separatedBy: ",") }
    let seconds = try #require(rows[0].firstIndex(of: "seconds"))
    return Dictionary(
      uniqueKeysWithValues: rows.dropFirst().map { row in
        var row = row
        row[seconds] = ""
        return (row[0], row.joined(separator: ",").replacing(/rank [0-9]+/, with: "rank"))
      })
  }

  private func events(_ result: ProgramResult, _ words: String) -> [Substring] {
    result.standardOutput.split(separator: "\n").filter { $0.hasPrefix("member ") && $0.contains(words) }
  }

  @Test func membersHaveTheBitsOfTheSameTrainingAloneWhateverTheRanks() throws {
    let place = try Workplace()
    try place.write(Array(Self.five.utf8), to: "sweep.yaml")
    try place.write(Array((Self.five + "ranks: 2\n").utf8), to: "pairs.yaml")
    let one = try place.lockstep(["sweep", "sweep.yaml", "--out", "one"])
    #expect(one.exitCode == 0, "\(one)")
    // Five members on three ranks of which each is a group; and two groups of two.
    let three = try place.lockstep(["sweep", "sweep.yaml", "--out", "three"], ranks: 3)
    #expect(three.exitCode == 0, "\(three)")
    #expect(three.standardOutput.contains("3 at a time on 1 rank each"), "\(three)")
    let pairs = try place.lockstep(["sweep", "pairs.yaml", "--out", "pairs"], ranks: 4)
    #expect(pairs.exitCode == 0, "\(pairs)")
    #expect(pairs.standardOutput.contains("2 at a time on 2 ranks each"), "\(pairs)")
    for result in [one, three, pairs] {
      #expect(events(result, "begins").count == 5 && events(result, "has finished").count == 5, "\(result)")
      #expect(result.standardOutput.components(separatedBy: "best epoch").count == 2, "one table: \(result)")
      #expect(!result.standardOutput.contains("epoch 1/"), "no progress of members: \(result)")
    }
    // Everybody had something to do.
    for range in ["rank 0:", "rank 1:", "rank 2:"] { #expect(events(three, range).count >= 1, "\(three)") }
    for range in ["ranks 0, 1:", "ranks 2, 3:"] { #expect(events(pairs, range).count >= 1, "\(pairs)") }
    let expected = try Self.results(place, "one")
    #expect(expected.count == 5)
    #expect(try Self.results(place, "three") == expected)
    #expect(try Self.results(place, "pairs") == expected)

    let alone = try place.lockstep(
      ["train", "digits", "--out", "alone"]
        + settings(
          "data.samples=640", "data.testSamples=60", "model.hidden=[8]", "validation.fraction=0.1",
          "epochs=2",
          "optimizer.learningRate=0.2"), ranks: 2)
    #expect(alone.exitCode == 0, "\(alone)")
    #expect(try place.digest("pairs/members/004") == place.digest("alone"))
    #expect(try place.metrics("three/members/004") == place.metrics("alone"))
    #expect(expected["4"]?.contains(try place.digest("alone").trimmingCharacters(in: .newlines)) == true)
    let evaluation = try place.lockstep(["evaluate", "three/members/004"])
    #expect(evaluation.exitCode == 0 && evaluation.standardOutput.contains("60 samples"), "\(evaluation)")
  }

  @Test func whatFailsIsNotedAndTheOthersGoOn() throws {
    let place = try Workplace()
    // Of the third the numbers grow beyond all bounds; the last pair is wrong only together.
    let sweep =
      "base: digits\n" + Self.small
      + "grid: {optimizer.learningRate: [0.1, 0.2, 1e30], schedule.minimum: [0, 0.15]}\n"
    try place.write(
      Array(sweep.replacing("epochs: 2}", with: "epochs: 2, schedule.name: cosine}").utf8), to: "sweep.yaml")
    let result = try place.lockstep(["sweep", "sweep.yaml", "--out", "run"], ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    let rows = try Self.results(place, "run")
    #expect(
      rows.mapValues { $0.components(separatedBy: ",")[1] } == [
        "1": "finished", "2": "failed", "3": "finished", "4": "finished", "5": "failed", "6": "failed",
      ], "\(rows)")
    #expect(rows["2"]?.contains("schedule.minimum") == true && rows["5"]?.contains("NaN") == true, "\(rows)")
    #expect(result.standardOutput.contains("member 005 failed: "), "\(result)")
    // Going on with it changes nothing, and trying again only what had failed in training.
    let again = try place.lockstep(["sweep", "--resume", "--out", "run"], ranks: 2)
    #expect(again.exitCode == 0 && events(again, "begins").isEmpty, "\(again)")
    #expect(try Self.results(place, "run") == rows)
    let retried = try place.lockstep(["sweep", "--resume", "--retry-failed", "--out", "run"], ranks: 2)
    #expect(retried.exitCode == 0, "\(retried)")
    #expect(
      Set(events(retried, "begins").compactMap { $0.split(separator: " ").dropFirst().first }) == [
        "005", "006",
      ])
    #expect(try Self.results(place, "run") == rows)
  }

  @Test func aSweepOfWhichAllFailEndsWithOne() throws {
    let place = try Workplace()
    try place.write(
      Array(("base: digits\n" + Self.small + "grid: {optimizer.learningRate: [1e30, 1e35]}\n").utf8),
      to: "sweep.yaml")
    let result = try place.lockstep(["sweep", "sweep.yaml", "--out", "run"], ranks: 2)
    #expect(result.exitCode == 1, "\(result)")
  }

  /// Members of some seconds, with a checkpoint every few steps.
  private static let long =
    "base: digits\nset: {data.samples: 1280, data.testSamples: 60, epochs: 30, checkpoint.everySteps: 10}\n"
    + "grid: {optimizer.learningRate: [0.02, 0.05, 0.1]}\n"

  /// The same, left in peace: its results, and the metrics of the members.
  private static let undisturbed = Result { () throws -> (results: [String: String], metrics: [String]) in
    let place = try Workplace()
    try place.write(Array(long.utf8), to: "sweep.yaml")
    let result = try place.lockstep(["sweep", "sweep.yaml", "--out", "run"], ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    return (try results(place, "run"), try metrics(place))
  }

  private static func metrics(_ place: Workplace) throws -> [String] {
    try (1...3).map { "\(try place.metrics("run/members/00\($0)"))" }
  }

  @Test func aKilledSweepGoesOnToTheSameTable() throws {
    let place = try Workplace()
    let expected = try Self.undisturbed.get()
    try place.write(Array(Self.long.utf8), to: "sweep.yaml")
    let job = try place.start(
      ["sweep", "sweep.yaml", "--out", "run"], ranks: 2, environment: place.environment)
    try waitUntil("checkpoints of two members") {
      [1, 2].allSatisfy { (place.checkpoints("run/members/00\($0)").last ?? 0) >= 20 }
    }
    kill(try #require(job.process(ofRank: 1)), SIGKILL)
    #expect(try job.wait(timeout: 20).exitCode == 137)
    try waitUntil("nobody is left", timeout: 10) { place.processes().isEmpty }
    #expect(try !FileManager.default.contentsOfDirectory(atPath: place.file("run/claims")).isEmpty)

    let resumed = try place.lockstep(["sweep", "sweep.yaml", "--resume", "--out", "run"], ranks: 3)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(events(resumed, "goes on from step").count >= 1, "\(resumed)")
    #expect(try Self.results(place, "run") == expected.results)
    #expect(try Self.metrics(place) == expected.metrics)
  }

  /// The signal comes to one rank of one group; the other group hears of it through the folder.
  @Test func aStoppedSweepSavesAllMembersAndGoesOnToTheSameTable() throws {
    let place = try Workplace()
    let expected = try Self.undisturbed.get()
    try place.write(Array(Self.long.utf8), to: "sweep.yaml")
    let job = try place.start(
      ["sweep", "sweep.yaml", "--out", "run", "--time-limit", "1h"], ranks: 2,
      environment: place.environment)
    try waitUntil("both groups train") {
      [1, 2].allSatisfy { !((try? place.metrics("run/members/00\($0)")) ?? []).isEmpty }
    }
    kill(try #require(job.process(ofRank: 1)), SIGUSR1)
    let stopped = try job.wait(timeout: 20)
    #expect(stopped.exitCode == 75, "\(stopped)")
    #expect(events(stopped, "is stopped and saved").count == 2, "\(stopped)")
    // It was rank 1 that had it.
    #expect(stopped.standardOutput.contains("stopped by a signal, 3 of 3 members are left"), "\(stopped)")
    #expect(stopped.standardOutput.contains("sweep --resume --out run"), "\(stopped)")
    #expect(place.processes().isEmpty)
    // They were not interrupted: nobody is to count that against them.
    #expect(try Set(place.names("run/claims")).isDisjoint(with: ["001", "002"]))

    let resumed = try place.lockstep(["sweep", "--resume", "--out", "run"], ranks: 2)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(events(resumed, "goes on from step").count == 2, "\(resumed)")
    #expect(try Self.results(place, "run") == expected.results)
  }

  @Test func aTimeLimitStopsASweepInTime() throws {
    let place = try Workplace()
    try place.write(Array(Self.long.replacing("epochs: 30", with: "epochs: 100000").utf8), to: "sweep.yaml")
    let result = try place.lockstep(
      ["sweep", "sweep.yaml", "--out", "run", "--time-limit", "3s"], ranks: 2, timeout: 20)
    #expect(result.exitCode == 75 && result.tookLess(than: 20), "\(result)")
    #expect(events(result, "is stopped and saved").count == 2, "\(result)")
    #expect(events(result, "begins").count == 2 && events(result, "goes on").isEmpty, "\(result)")
    let ending = "stopped by the time limit of 3.0 s, 3 of 3 members are left"
    #expect(result.standardOutput.contains(ending), "\(result)")
  }

  private func launch(
    _ arguments: [String], in place: Workplace, failpoints: String
  ) throws -> ProgramResult {
    let options = ["launch", "-n", "2", "--oversubscribe", "--wait", "0.1", "--mpirun", "--bind-to none"]
    let job = try RunningProgram(
      executable: "lockstep",
      arguments: options + (geteuid() == 0 ? ["--allow-run-as-root"] : []) + ["--"] + arguments,
      environment: place.environment.merging(["LOCKSTEP_FAILPOINTS": failpoints]) { $1 },
      directory: place.path)
    return try job.wait(timeout: 60)
  }

  /// One member takes the job along whenever it comes to step 15, which the others don't reach.
  @Test func aMemberThatKeepsKillingTheJobIsGivenUpAndTheOthersFinish() throws {
    let place = try Workplace()
    let sweep =
      "base: digits\n" + Self.small.replacing("epochs: 2", with: "checkpoint.everyEpochs: 100")
      + "grid: {epochs: [2, 9, 1]}\n"
    try place.write(Array(sweep.utf8), to: "sweep.yaml")
    let result = try launch(
      ["sweep", "sweep.yaml", "--out", "run", "--attempts", "2"], in: place, failpoints: "step:crash:step=15")
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.contains("finished, begun again 2 times"), "\(result)")
    let rows = try Self.results(place, "run")
    #expect(
      rows["1"]?.hasPrefix("1,finished") == true && rows["3"]?.hasPrefix("3,finished") == true, "\(rows)")
    #expect(rows["2"]?.contains("the job ended 2 times while it was trained") == true, "\(rows)")
    #expect(result.standardError.contains("members settled"), "\(result)")
    #expect(place.processes().isEmpty)
  }

  /// A rank that has nothing to train is watched as those that train.
  @Test func fault11_aRankThatStandsStillBesideTheMembersIsNamed() throws {
    let place = try Workplace()
    let sweep = Self.long.replacing("epochs: 30", with: "epochs: 100000, shards: 1")
      .replacing("[0.02, 0.05, 0.1]", with: "[0.02]")
    try place.write(Array(sweep.utf8), to: "sweep.yaml")
    let job = try place.start(
      ["sweep", "sweep.yaml", "--out", "run", "--hang-timeout", "\(1.5 * patience)s"], ranks: 2,
      environment: place.environment)
    let stuck = try place.watch(job) { job in
      guard place.checkpoints("run/members/001").count > 0, let idle = job.process(ofRank: 1) else {
        return false
      }
      kill(idle, SIGSTOP)
      return true
    }
    #expect(stuck.result.exitCode == 76, "\(stuck.result)")
    #expect(try #require(stuck.secondsToEnd) < (1.5 + 5) * patience, "\(stuck.result)")
    let message = stuck.result.messages.first ?? ""
    #expect(message.contains("rank 1 on ") && message.contains("does not run"), "\(stuck.result)")
    #expect(message.contains("between the trainings of two members"), "\(stuck.result)")
  }

  @Test(.enabled(if: sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1)) func membersThatShareACoreAreToldAtTheStart()
    throws
  {
    let place = try Workplace()
    try place.write(
      Array(("base: digits\n" + Self.small + "grid: {seed: [1, 2]}\n").utf8), to: "sweep.yaml")
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let core = try #require(status.firstMatch(of: /Cpus_allowed_list:\s*([0-9]+)/)).1
    let result = try Program.run(
      executable: "taskset",
      arguments: [
        "-c", "\(core)", "mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none", "--allow-run-as-root",
        try Program.path(of: "lockstep"), "sweep", "sweep.yaml", "--out", "run",
      ], directory: place.path)
    #expect(result.exitCode == 0, "\(result)")
    let warnings = result.standardError.split(separator: "\n").filter { $0.contains("share 1 core of") }
    #expect(warnings.count == 1 && warnings[0].contains("ranks 0, 1 on"), "\(result)")
  }

  @Test func aMistakeThatAllRanksFindIsSaidOnce() throws {
    try expectMistake(
      ["sweep", "sweep.yaml"], "base: digits\ngrid: {optimizer.learningRat: [1]}\n", "optimizer.learningRate",
      ranks: 2)
    try expectMistake(["sweep"], "", "Name a sweep's file", ranks: 2)
  }

  @Test(arguments: [
    (["sweep", "sweep.yaml"], "base: digits\ngrid: {batch: [many]}\n", "sweep.yaml:2"),
    (["sweep", "none.yaml"], "", "none.yaml"),
    (["sweep", "--resume", "--out", "nowhere"], "", "plan.json"),
    (["crossvalidate", "digits", "--folds", "3", "--set", "bach=3"], "", "batch"),
    (["crossvalidate", "digits", "--folds", "1"], "", "--folds"),
    (["crossvalidate", "digits"], "", "--folds"),
  ])
  func mistakesAreSaidAndNothingIsBegun(_ arguments: [String], _ yaml: String, _ words: String) throws {
    try expectMistake(arguments, yaml, words, ranks: nil)
  }

  private func expectMistake(_ arguments: [String], _ yaml: String, _ words: String, ranks: Int?) throws {
    let place = try Workplace()
    try place.write(Array(yaml.utf8), to: "sweep.yaml")
    let result = try place.lockstep(arguments, ranks: ranks)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.standardError.contains(words), "\(result)")
    let said = result.messages.count + result.standardError.components(separatedBy: "Error: ").count - 1
    #expect(said == 1, "\(result)")
    #expect(try place.names("") == ["sweep.yaml"])
  }

  @Test func aFolderWithSomethingElseInItIsRefused() throws {
    let place = try Workplace()
    try place.write(Array(Self.five.utf8), to: "sweep.yaml")
    let first = try place.lockstep(["sweep", "sweep.yaml", "--out", "run"])
    #expect(first.exitCode == 0, "\(first)")
    let before = place.contents("run")
    let again = try place.lockstep(["sweep", "sweep.yaml", "--out", "run"])
    #expect(again.exitCode == 2 && again.standardError.contains("--resume"), "\(again)")
    try place.write(Array(Self.five.replacing("0.4", with: "0.3").utf8), to: "sweep.yaml")
    let other = try place.lockstep(["sweep", "sweep.yaml", "--resume", "--out", "run"])
    #expect(other.exitCode == 2 && other.standardError.contains("member 005"), "\(other)")
    #expect(place.contents("run") == before)
    let inside = try place.lockstep(["sweep", "sweep.yaml", "--out", "run/members/001"])
    #expect(inside.exitCode == 2 && inside.standardError.contains("found a run"), "\(inside)")
  }

  @Test func foldsHaveTheBitsOfTheSameTrainingAloneAndEndInMeans() throws {
    let place = try Workplace()
    let common = settings("data.samples=500", "data.testSamples=60", "model.hidden=[8]", "epochs=2")
    let folds = ["crossvalidate", "digits", "--folds", "3", "--stratified"] + common
    let two = try place.lockstep(folds + ["--out", "two"], ranks: 2)
    #expect(two.exitCode == 0, "\(two)")
    let four = try place.lockstep(folds + ["--out", "four"], ranks: 4)
    #expect(four.exitCode == 0, "\(four)")
    #expect(try Self.results(place, "two") == Self.results(place, "four"))
    #expect(
      two.standardOutput.contains(
        /validation accuracy  \d+\.\d\d % ± \d+\.\d\d \(standard deviation over 3 folds\)/),
      "\(two)")
    let alone = try place.lockstep(
      ["train", "digits", "--out", "alone"] + common
        + settings("validation.folds=3", "validation.fold=2", "validation.stratified=true"))
    #expect(alone.exitCode == 0, "\(alone)")
    #expect(try place.digest("two/members/002") == place.digest("alone"))
    let digests = try Self.results(place, "two").values.map {
      $0.components(separatedBy: ",").suffix(3).first
    }
    #expect(Set(digests).count == 3, "\(digests)")
  }

  @Test func aTextIsCutIntoBlocks() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      ["crossvalidate", "gpt", "--folds", "2", "--out", "run"]
        + settings(
          "data.characters=6000", "data.context=16", "model.width=16", "model.depth=1", "model.heads=2",
          "steps=4", "schedule=null"), ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardOutput.contains("validation loss") && result.standardOutput.contains("test loss"))
  }

  @Test func aFoldThatFailsEndsWithOne() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      ["crossvalidate", "digits", "--folds", "2", "--out", "run"]
        + settings("data.samples=200", "data.testSamples=0", "epochs=3", "optimizer.learningRate=1e30"),
      ranks: 2)
    #expect(result.exitCode == 1, "\(result)")
  }
}
