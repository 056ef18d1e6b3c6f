// Nothing is lost, whoever is killed and whenever: random ranks, or mpirun itself, die at random moments, and the run goes
// on with another number of ranks each time. Four kills always; LOCKSTEP_FAULTS=N for N of them, LOCKSTEP_FAULTS_SEED for
// the same choices again (the moments are the machine's).

import Checkpoints
import DistributedScenarios
import Foundation
import Testing

@Suite(.serialized) struct RandomKillTests {
  /// Networks of different kinds, each trained for a second or two.
  static let models: [KilledRun.Model] = [
    .init(
      name: "mlp", steps: 160, everySteps: 4,
      settings: settings(
        "data.name=digits", "data.samples=800", "data.testSamples=60", "model.name=mlp", "batch=64",
        "optimizer.name=adam", "optimizer.clipNorm=0.5", "optimizer.learningRate=0.002")),
    .init(
      name: "lenet", steps: 90, everySteps: 3,
      settings: settings(
        "data.name=digits", "data.samples=300", "data.testSamples=60", "model.name=lenet", "batch=24",
        "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.learningRate=0.02")),
    .init(
      name: "lstm", steps: 90, everySteps: 3,
      settings: settings(
        "data.name=built-in-text", "data.characters=20000", "data.context=16", "model.name=char-lstm",
        "model.width=32", "batch=24", "optimizer.name=adam", "optimizer.clipNorm=1")),
  ]

  @Test func anyRunThatIsKilledAgainAndAgainReachesTheUndisturbedWeights() throws {
    let variables = ProcessInfo.processInfo.environment
    let wanted = variables["LOCKSTEP_FAULTS"].flatMap { Int($0) } ?? 4
    let seed = variables["LOCKSTEP_FAULTS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
    print("random kills: LOCKSTEP_FAULTS=\(wanted) LOCKSTEP_FAULTS_SEED=\(seed)")
    var chance = Chance(seed)
    var figures = KillFigures()
    var undisturbed: [String: KilledRun.Undisturbed] = [:]
    // The short form has room for one of them.
    var number = chance.integer(in: 0...Self.models.count - 1)
    while figures.kills.count < wanted {
      let model = Self.models[number % Self.models.count]
      let place = try Workplace()
      var run = try KilledRun(model, in: place, undisturbed: undisturbed[model.name])
      undisturbed[model.name] = run.undisturbed
      try run.killUntilItFinishes(
        atMost: min(8, wanted - figures.kills.count), chance: &chance, figures: &figures)
      figures.runs += 1
      number += 1
    }
    try checkSharedMemory()
    print(figures.text)
  }

  /// What killed ranks left in shared memory is gone after the next start, wherever our own folders there are locked as
  /// long as their process lives.
  private func checkSharedMemory() throws {
    var left: [String] = []
    for _ in 0..<3 {
      let place = try Workplace()
      let result = try place.lockstep(
        ["train", "digits", "--out", "run"]
          + settings(
            "data.samples=64", "data.testSamples=20", "steps=1", "batch=8", "shards=2", "epochs=null"),
        ranks: 2)
      #expect(result.exitCode == 0, "\(result)")
      left = Self.unusedSharedMemory()
      // Other tests kill processes at the same time.
      if left.isEmpty { return }
    }
    Issue.record("left in shared memory: \(left)")
  }

  private static func unusedSharedMemory() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
    return names.filter { name in
      guard name.hasPrefix("lockstep-\(getuid())-") else { return false }
      let descriptor = open("/dev/shm/\(name)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard descriptor >= 0 else { return false }
      defer { close(descriptor) }
      return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }
  }
}
