import Checkpoints
import DistributedScenarios
import Foundation
import Testing

/// A training that is killed at random and resumed, until it finishes.
struct KilledRun {
  struct Model: Sendable {
    let name: String
    let steps: Int
    /// Between two checkpoints.
    let everySteps: Int
    let settings: [String]
  }

  /// The same training, left in peace.
  struct Undisturbed {
    let digests: [String]
    let metrics: String
    /// On two ranks, from start to end.
    let seconds: Double
  }

  let model: Model
  let place: Workplace
  let undisturbed: Undisturbed
  private let arguments: [String]
  private var newest: Int?

  init(_ model: Model, in place: Workplace, undisturbed: Undisturbed?) throws {
    self.model = model
    self.place = place
    try place.write([], to: "empty.yaml")
    try FileManager.default.createDirectory(atPath: place.file("tmp"), withIntermediateDirectories: true)
    arguments =
      ["train", "empty.yaml", "--resume"] + model.settings
      + settings(
        "shards=8", "steps=\(model.steps)", "metrics.everySteps=1",
        "checkpoint.everySteps=\(model.everySteps)",
        "validation.everyEpochs=1000")
    self.undisturbed = try undisturbed ?? Self.train(model, arguments, in: place)
  }

  private static func train(_ model: Model, _ arguments: [String], in place: Workplace) throws -> Undisturbed
  {
    let result = try place.lockstep(arguments + ["--out", "undisturbed"], ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    return Undisturbed(
      digests: try place.digests("undisturbed", step: model.steps),
      metrics: "\(try place.metrics("undisturbed"))", seconds: result.seconds)
  }

  /// Starts, kills and resumes; the last start is left alone once there were as many kills as there may be.
  mutating func killUntilItFinishes(atMost most: Int, chance: inout Chance, figures: inout KillFigures) throws
  {
    var kills = 0
    while true {
      let ranks = chance.integer(in: 1...4)
      let job = try start(ranks: ranks)
      if kills < most {
        // From the very start to near the end; the whole of it would let most runs finish too soon.
        let moment = chance.fraction() * 0.8 * undisturbed.seconds
        let victim = chance.integer(in: 0...ranks)
        if let kill = try strike(job, victim: victim < ranks ? victim : nil, after: moment) {
          kills += 1
          figures.kills.append(kill)
          figures.mostRanks = max(figures.mostRanks, ranks)
          continue
        }
      }
      let result = try job.wait(timeout: 120)
      #expect(result.exitCode == 0, "\(result)")
      try checkResumption(result.standardOutput)
      break
    }
    try checkEnd()
  }

  private func start(ranks: Int) throws -> RunningProgram {
    let environment = ["TMPDIR": place.file("tmp")].merging(place.environment) { $1 }
    return try MPIRun.start(
      ranks: ranks, executable: "lockstep", arguments: arguments + ["--out", "run"], environment: environment,
      directory: place.path)
  }

  /// Kills a rank, or mpirun, and sees that everybody goes and nothing is lost.
  ///
  /// - Returns: nil where the run was over before.
  private mutating func strike(
    _ job: RunningProgram, victim: Int?, after seconds: Double
  ) throws -> KillFigures.Kill? {
    usleep(UInt32(seconds * 1e6))
    guard let process = try find(job, victim) else { return nil }
    let begin = Date()
    kill(process, SIGKILL)
    let place = place
    try waitUntil(
      "everybody is gone after \(victim.map { "rank \($0)" } ?? "mpirun") was killed", timeout: 10
    ) {
      place.processes().isEmpty
    }
    let gone = Date().timeIntervalSince(begin)
    let result = try job.wait(timeout: 5)
    // It may have done its last step before it was struck.
    if result.exitCode == 0 { return nil }
    try checkResumption(result.standardOutput)
    let reached = try reachedStep()
    try checkFolder()
    let repeated = reached - (newest ?? 0)
    #expect(repeated <= 2 * model.everySteps, "\(reached) steps were taken, \(newest ?? 0) are saved")
    return KillFigures.Kill(
      victim: victim, gone: gone, repeated: max(0, repeated), beforeAnyStep: reached == 0)
  }

  /// The victim's process, waited for; nil when the run is over.
  private func find(_ job: RunningProgram, _ victim: Int?) throws -> pid_t? {
    guard let victim else { return Program.isRunning(job.processID) ? job.processID : nil }
    for _ in 0..<1000 where Program.isRunning(job.processID) {
      if let process = job.process(ofRank: victim) { return process }
      usleep(2000)
    }
    return nil
  }

  /// The last step that was taken, as far as the metrics tell.
  private func reachedStep() throws -> Int {
    guard FileManager.default.fileExists(atPath: place.file("run/metrics.jsonl")) else { return 0 }
    let text = String(
      decoding: FileManager.default.contents(atPath: place.file("run/metrics.jsonl")) ?? Data(), as: UTF8.self
    )
    return text.matches(of: /"step":\s*(\d+)/).compactMap { Int($0.1) }.max() ?? 0
  }

  /// It began where the newest checkpoint stood.
  private func checkResumption(_ output: String) throws {
    guard let match = output.firstMatch(of: /resumed from step (\d+) of/) else { return }
    #expect(Int(match.1) == newest, "\(output)")
  }

  /// Every checkpoint is whole, none is older than what there was, and nothing lies about that does not belong here.
  private mutating func checkFolder(isAtEnd: Bool = false) throws {
    let store = CheckpointStore(reading: place.file("run/checkpoints"))
    let steps = try store.list()
    for step in steps { _ = try store.verify(step) }
    #expect((steps.last ?? -1) >= newest ?? -1, "\(steps) after \(newest ?? -1)")
    newest = steps.last ?? newest
    let known = ["checkpoints", "config.yaml", "log.txt", "metrics.jsonl", "model.safetensors", ".lock"]
    for name in names("run") where !known.contains(name) {
      // What an interrupted write leaves goes at the next start.
      #expect(!isAtEnd && name.contains(".tmp"), "\(name) in the run's folder")
    }
    for name in names("run/checkpoints") where name.wholeMatch(of: /step-\d+/) == nil {
      #expect(!isAtEnd && name.hasPrefix("step-"), "\(name) among the checkpoints")
    }
    // Open MPI's own go with the machine's next cleaning.
    #expect(names("tmp").allSatisfy { $0.hasPrefix("ompi.") }, "\(names("tmp"))")
  }

  private func names(_ folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: place.file(folder))) ?? []
  }

  private mutating func checkEnd() throws {
    try checkFolder(isAtEnd: true)
    #expect(newest == model.steps)
    #expect(try place.digests("run", step: model.steps) == undisturbed.digests, "\(model.name)")
    #expect("\(try place.metrics("run"))" == undisturbed.metrics, "\(model.name)")
    #expect(place.processes().isEmpty)
  }
}

/// What random kills came to.
struct KillFigures {
  struct Kill {
    /// A rank; nil: mpirun.
    let victim: Int?
    /// Seconds until nobody was left.
    let gone: Double
    /// Steps that had been taken since the newest checkpoint.
    let repeated: Int
    let beforeAnyStep: Bool
  }

  var kills: [Kill] = []
  var runs = 0
  var mostRanks = 0
  private let begin = Date()

  var text: String {
    func line(_ name: String, _ kills: [Kill]) -> String {
      let gone = kills.map(\.gone)
      if gone.isEmpty { return "\(name): no kills" }
      return
        "\(name): \(kills.count) kills, gone after \(Self.seconds(gone.reduce(0, +) / Double(gone.count)))"
        + " on average, \(Self.seconds(gone.max() ?? 0)) at most"
    }
    let repeated = kills.map(\.repeated)
    return """
      random kills: \(kills.count) in \(runs) runs on 1 to \(mostRanks) ranks, \(Self.seconds(Date().timeIntervalSince(begin)))
        \(line("rank 0", kills.filter { $0.victim == 0 }))
        \(line("other ranks", kills.filter { ($0.victim ?? 0) > 0 }))
        \(line("mpirun", kills.filter { $0.victim == nil }))
        steps repeated: \(repeated.reduce(0, +)) in all, \(repeated.max() ?? 0) at most; \
      \(kills.count(where: \.beforeAnyStep)) kills before the first step
      """
  }

  private static func seconds(_ number: Double) -> String { String(format: "%.1f s", number) }
}

/// Random numbers from a seed, the same in each run (SplitMix64).
struct Chance {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// In 0..<1.
  mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }
}
