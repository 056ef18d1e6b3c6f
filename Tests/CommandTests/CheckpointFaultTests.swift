// Faults while checkpoints are written, in the real program: each is seen to happen, and nothing is lost by it.
// LOCKSTEP_FAULTS=N repeats them on several ranks.

import DistributedScenarios
import Foundation
import Testing

private let isComplete = (Int(ProcessInfo.processInfo.environment["LOCKSTEP_FAULTS"] ?? "") ?? 0) > 0

/// A fault of the program's own making.
private func failing(_ failpoints: String) -> [String: String] { ["LOCKSTEP_FAILPOINTS": failpoints] }

@Suite(.serialized) struct CheckpointFaultTests {
  /// 18 steps, the ninth and the last of 5 samples; a checkpoint in the middle of an epoch each time.
  private static let some = settings(
    "data.samples=1029", "data.testSamples=100", "epochs=2", "optimizer={name: adam, learningRate: 0.002}",
    "checkpoint.everyEpochs=1000", "checkpoint.keep=2", "metrics.everySteps=6"
  )
  private static let run = ["train", "digits"] + some
  private static let everyFour = run + settings("checkpoint.everySteps=4")

  /// What the run ends with where nothing disturbs it.
  private func undisturbed(_ place: Workplace) throws -> [String] {
    let result = try place.lockstep(Self.run + ["--out", "undisturbed"])
    #expect(result.exitCode == 0, "\(result)")
    return try place.digests("undisturbed", step: 18)
  }

  /// Every place at which a checkpoint can be cut off, and how often it is passed before.
  private static let places: [(name: String, after: Int)] = [
    ("checkpoint.begin", 2), ("checkpoint.write", 30), ("checkpoint.fsync", 10), ("checkpoint.rename", 2),
    ("checkpoint.renamed", 2), ("checkpoint.prune", 0), ("checkpoint.pruning", 2),
  ]

  @Test("Fault 2: a run that is killed while it saves is resumed to the very weights")
  func aRunThatIsKilledWhileItSavesIsResumedToTheVeryWeights() throws {
    let place = try Workplace()
    let digests = try undisturbed(place)
    for (number, (name, after)) in Self.places.enumerated() {
      for ranks in isComplete ? [nil, 2, 4] : number % 3 == 1 ? [2] : [nil] {
        let folder = "\(name)-\(ranks ?? 1)"
        let killed = try place.lockstep(
          Self.everyFour + ["--out", folder], ranks: ranks,
          environment: failing("\(name):crash:after=\(after)"))
        #expect(killed.exitCode != 0, "\(killed)")
        #expect(killed.standardError.contains("failpoint \(name): crash in rank 0"), "\(killed)")

        let resumed = try place.lockstep(
          Self.everyFour + ["--resume", "--out", folder], ranks: ranks == nil ? nil : 3)
        #expect(resumed.exitCode == 0, "\(resumed)")
        #expect(resumed.standardOutput.contains("resumed from step"), "\(name): \(resumed)")
        #expect(try place.digests(folder, step: 18) == digests, "\(name)")
        #expect(try place.names("\(folder)/checkpoints") == ["step-16", "step-18"], "\(name)")
      }
    }
  }

  @Test("Faults 1 and 19: a run killed in the middle of an epoch on four ranks is resumed on three")
  func aRunKilledInTheMiddleOfAnEpochOnFourRanksIsResumedOnThree() throws {
    let place = try Workplace()
    let digests = try undisturbed(place)
    let killed = try place.lockstep(
      Self.everyFour + ["--out", "killed"], ranks: 4, environment: failing("step:crash:step=15,rank=2"))
    #expect(
      killed.exitCode != 0 && killed.standardError.contains("failpoint step: crash in rank 2"), "\(killed)")
    // That of step 12 may have been cut off.
    #expect([4, 8, 12].contains(try #require(place.checkpoints("killed").last)))
    let resumed = try place.lockstep(Self.everyFour + ["--resume", "--out", "killed"], ranks: 3)
    #expect(resumed.exitCode == 0 && resumed.standardOutput.contains("resumed from step"), "\(resumed)")
    #expect(try place.digests("killed", step: 18) == digests)
    #expect(try place.metrics("killed") == place.metrics("undisturbed"))
  }

  @Test("Fault 6: a save that fails, at any call, is told and the run goes on")
  func aSaveThatFailsIsToldAndTheRunGoesOn() throws {
    let place = try Workplace()
    let digests = try undisturbed(place)
    for (name, after) in Self.places {
      let result = try place.lockstep(
        Self.everyFour + ["--out", name], environment: failing("\(name):error:after=\(after)"))
      #expect(result.exitCode == 0, "\(name): \(result)")
      #expect(result.standardError.contains("failpoint \(name): error"), "\(result)")
      let isPruning = name.hasPrefix("checkpoint.prun")
      let warning =
        isPruning
        ? "older checkpoints could not be removed: " : "could not be saved, training goes on: "
      #expect((result.standardOutput + result.standardError).contains(warning), "\(name): \(result)")
      #expect(try place.digests(name, step: 18) == digests, "\(name)")
      #expect(
        try !place.names("\(name)/checkpoints").contains { $0.hasSuffix(".tmp") && !isPruning }, "\(name)")
      #expect(place.checkpoints(name).count >= 2)
      #expect(try place.whole(name) == place.checkpoints(name), "\(name)")
    }
  }

  @Test("Fault 6: three failures in a row end the run", arguments: [nil, 2])
  func threeFailuresInARowEndTheRun(ranks: Int?) throws {
    let place = try Workplace()
    let result = try place.lockstep(
      Self.everyFour + ["--out", "run"], ranks: ranks,
      environment: failing("checkpoint.fsync:error:after=8,times=1000"))
    #expect(result.exitCode == 1, "\(result)")
    #expect(result.standardError.contains("failpoint checkpoint.fsync: error"), "\(result)")
    #expect(result.standardError.contains("at least one checkpoint in three attempts"), "\(result)")
    #expect(try place.names("run/checkpoints") == ["step-4"])
    #expect(try place.lockstep(["inspect", "run"]).standardOutput.contains("step-4  whole"))
  }

  /// Of the saves of steps 4, 8, 12, 16 and 18 every other one fails, the last one too.
  @Test("Fault 6: failures that are not in a row end nothing, and the last save is tried again")
  func failuresThatAreNotInARowEndNothingAndTheLastSaveIsTriedAgain() throws {
    let place = try Workplace()
    // Each counts what those before it have let pass.
    let failures = (0..<3).map { "checkpoint.begin:error:after=\($0)" }.joined(separator: ";")
    let result = try place.lockstep(Self.everyFour + ["--out", "run"], environment: failing(failures))
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.ranges(of: "failpoint checkpoint.begin: error").count == 3, "\(result)")
    #expect(place.checkpoints("run") == [16, 18])
    #expect(try place.digests("run", step: 18) == undisturbed(place))
  }

  @Test(
    "Fault 6: a full disk leaves the old checkpoint and no rest",
    .enabled(if: geteuid() == 0, "only root can make a small disk"))
  func aFullDiskLeavesTheOldCheckpointAndNoRest() throws {
    let place = try Workplace()
    try FileManager.default.createDirectory(atPath: place.file("disk"), withIntermediateDirectories: true)
    let mounted = try Program.run(
      executable: "mount", arguments: ["-t", "tmpfs", "-o", "size=2m", "tmpfs", place.file("disk")])
    // Not every container lets its root do that.
    guard mounted.exitCode == 0 else { return }
    defer { _ = try? Program.run(executable: "umount", arguments: [place.file("disk")]) }
    let full = try place.lockstep(Self.everyFour + ["--out", "disk/run"])
    #expect(full.exitCode == 1, "\(full)")
    #expect(full.standardError.contains("No space left on device"), "\(full)")
    #expect(full.standardError.contains("Make room on the disk"), "\(full)")
    #expect(try place.names("disk/run/checkpoints") == ["step-4"])
    #expect(try place.lockstep(["inspect", "disk/run"]).standardOutput.contains("step-4  whole"))
    // With room it goes on where it was.
    _ = try Program.run(
      executable: "mount", arguments: ["-o", "remount,size=16m", place.file("disk")])
    let resumed = try place.lockstep(Self.everyFour + ["--resume", "--out", "disk/run"])
    #expect(resumed.exitCode == 0 && resumed.standardOutput.contains("resumed from step 4"), "\(resumed)")
    #expect(try place.digests("disk/run", step: 18) == undisturbed(place))
  }

  /// A known fault elsewhere: a writer that falls behind saves later values.
  @Test(arguments: [nil, 2]) func aSlowWriterSavesTheValuesOfItsStep(ranks: Int?) throws {
    let place = try Workplace()
    // What the checkpoint of step 5 must hold, from a run that knows no later step.
    let short = Self.run + settings("epochs=null", "steps=5") + ["--out", "short"]
    #expect(try place.lockstep(short).exitCode == 0)
    let expected = try place.digest("short/checkpoints/step-5")
    let state = try place.digest("short/checkpoints/step-5/optimizer.safetensors")
    let result = try place.lockstep(
      Self.run + settings("epochs=null", "steps=9", "checkpoint.everySteps=5") + ["--out", "long"],
      ranks: ranks, environment: failing("checkpoint.write:slow:times=12"))
    #expect(result.exitCode == 0, "\(result)")
    #expect(
      result.standardError.contains("failpoint checkpoint.write: slow in rank 0 at step 9"), "\(result)")
    #expect(place.checkpoints("long") == [5, 9])
    #expect(try place.digest("long/checkpoints/step-5") == expected)
    #expect(try place.digest("long/checkpoints/step-5/optimizer.safetensors") == state)
    #expect(try place.digest("long") != expected)
  }

  /// Rank 0 looks at its clock, and all save after the same step.
  @Test(arguments: [nil, 3]) func minutesAreAskedOfOneClock(ranks: Int?) throws {
    let place = try Workplace()
    let digests = try undisturbed(place)
    let result = try place.lockstep(
      Self.run + settings("checkpoint.everyMinutes=0.001") + ["--out", "run"], ranks: ranks,
      environment: failing("step:slow:times=6"))
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.contains("failpoint step: slow"), "\(result)")
    let saved = place.checkpoints("run")
    #expect(saved.count == 2 && saved[1] == 18, "\(saved)")
    let log = try String(contentsOfFile: place.file("run/log.txt"), encoding: .utf8)
    #expect(log.ranges(of: "checkpoint step-").count >= 4, "\(log)")
    #expect(try place.digests("run", step: 18) == digests)
  }

  @Test func minutesCountAnewFromEachSave() throws {
    let place = try Workplace()
    let result = try place.lockstep(
      Self.run + settings("checkpoint.everyMinutes=0.02") + ["--out", "run"],
      environment: failing("step:slow:times=18"))
    #expect(result.exitCode == 0, "\(result)")
    let log = try String(contentsOfFile: place.file("run/log.txt"), encoding: .utf8)
    let saved = Set(log.matches(of: /checkpoint step-(\d+)/).map(\.1))
    // One in each 1.2 s, and that of the end.
    #expect(
      (2...Int(result.seconds / 1.2) + 2).contains(saved.count), "\(saved) in \(result.seconds) s: \(log)")
  }

  @Test("Fault 18: a folder that cannot be written is told before the first step")
  func aFolderThatCannotBeWrittenIsToldBeforeTheFirstStep() throws {
    let place = try Workplace()
    try place.write([1], to: "file")
    for (folder, ranks) in [("file", nil), ("file/run", nil), ("/proc/run", nil), ("file/run", 2)] {
      let result = try place.lockstep(Self.run + ["--out", folder], ranks: ranks)
      #expect(result.exitCode == 2, "\(result)")
      #expect(result.messages.count == 1 && result.messages[0].contains(folder), "\(result)")
      #expect(!result.standardOutput.contains("epoch"), "\(result)")
    }
  }

  @Test("Fault 22: a second job on one folder is refused")
  func aSecondJobOnOneFolderIsRefused() throws {
    let place = try Workplace()
    let job = try place.start(
      Self.everyFour + ["--out", "run"], ranks: 2, environment: failing("step:slow:rank=1,times=18,after=5"))
    try waitUntil("a checkpoint") { !place.checkpoints("run").isEmpty }
    let second = try place.lockstep(Self.everyFour + ["--resume", "--out", "run"])
    #expect(second.exitCode == 2, "\(second)")
    #expect(second.messages.count == 1 && second.messages[0].contains("locked by process"), "\(second)")
    let first = try job.wait(timeout: 30)
    #expect(first.exitCode == 0, "\(first)")
    #expect(first.standardError.contains("failpoint step: slow"), "\(first)")
    #expect(try place.digests("run", step: 18) == undisturbed(place))
  }
}
