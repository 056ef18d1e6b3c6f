// What must become of a run when something goes wrong around it, numbered as the list of faults in Architecture.md.

import DistributedScenarios
import Foundation
import Testing
import Training

@Suite(.serialized) struct FaultTests {
  /// 24 steps, a checkpoint after every fifth and after the twelfth, some tenths of a second.
  private static let run =
    ["train", "digits"]
    + settings(
      "data.samples=1500", "data.testSamples=100", "epochs=2", "checkpoint.everySteps=5",
      "metrics.everySteps=4")
  /// Much longer than any test.
  private static let endless =
    ["train", "digits"]
    + settings(
      "data.samples=3000", "data.testSamples=100", "epochs=100000", "checkpoint.everyEpochs=1000000",
      "metrics.everySteps=5")

  @Test(arguments: wantsAllFaults ? [0, 1, 2] : [0])
  func fault1_aKilledRankEndsTheJobAndResumingGivesTheUndisturbedRun(rank: Int) throws {
    let place = try Workplace()
    #expect(try place.lockstep(Self.run + ["--out", "undisturbed"]).exitCode == 0)
    let killed = try place.run(
      Self.run + ["--out", "killed"], ranks: 3, failpoints: "step:crash:step=13,rank=\(rank)")
    #expect(killed.failpoints == ["failpoint step: crash in rank \(rank) at step 13"])
    #expect(killed.result.exitCode != 0, "\(killed.result)")
    #expect(try #require(killed.secondsToEnd) < 5 * patience, "\(killed.result)")
    // That of step 12 may not have been on the disk yet when its writer's process, or all of them, ended.
    let last = try #require(place.checkpoints("killed").last)
    #expect(last == 12 || last == 10)

    let resumed = try place.lockstep(["train", "--resume", "--out", "killed"], ranks: 2)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(resumed.standardOutput.contains("resumed from step \(last) of 24"), "\(resumed)")
    #expect(try place.digests("killed", step: 24) == place.digests("undisturbed", step: 24))
    #expect(try place.metrics("killed") == place.metrics("undisturbed"))
  }

  /// Ranks notice that mpirun is gone; what is left of them in shared memory is found by the next run, and the folder is
  /// free for it.
  @Test func fault3And24_aKilledLauncherLeavesNothingThatStandsInTheWay() throws {
    let place = try Workplace()
    var ours: Set<String> = []
    let killed = try place.run(Self.endless + ["--out", "run"], ranks: 3) { job in
      guard ((try? place.metrics("run").count) ?? 0) >= 3 else { return false }
      ours = Self.sharedFolders(of: job.descendants())
      job.send(SIGKILL)
      return true
    }
    #expect(killed.processes.count == 3)
    #expect(killed.result.exitCode == 137)
    #expect(try #require(killed.secondsToEnd) < 10 * patience, "\(killed.result)")
    #expect(ours.count >= 3, "every rank has a folder in shared memory: \(ours)")

    let resumed = try place.run(Self.endless + ["--out", "run", "--resume"], ranks: 2) { job in
      guard job.standardOutput.contains("epoch 1/") else { return false }
      // A run beside this one may have removed them first.
      #expect(!ours.contains(where: FileManager.default.fileExists(atPath:)), "\(ours)")
      job.send(SIGUSR1)
      return true
    }
    #expect(resumed.result.exitCode == 75, "\(resumed.result)")
  }

  /// The folders in which processes keep what they share: each holds its own open.
  private static func sharedFolders(of processes: [pid_t]) -> Set<String> {
    var folders: Set<String> = []
    for process in processes {
      let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? []
      for file in files {
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\(file)")
        if let path, path.hasPrefix("/dev/shm/lockstep-") { folders.insert(path) }
      }
    }
    return folders
  }

  @Test func fault5_ranksAgreeOnTheStepToStopAfterAndRankZeroExits75() throws {
    let place = try Workplace()
    // To one rank that is not rank 0; the others hear of it with the gradients.
    let stopped = try place.run(
      Self.endless + ["--out", "run"], ranks: 3,
      fault: { job in
        guard ((try? place.metrics("run").count) ?? 0) >= 2, let rank = job.process(ofRank: 2) else {
          return false
        }
        kill(rank, SIGUSR1)
        return true
      })
    #expect(stopped.result.exitCode == 75, "\(stopped.result)")
    #expect(stopped.result.standardOutput.contains("stopped by a signal after step"), "\(stopped.result)")
    let step = try #require(place.checkpoints("run").last)
    #expect(place.checkpoints("run") == [step])

    let straight = try place.lockstep(
      Self.endless + settings("epochs=null", "steps=\(step)") + ["--out", "straight"])
    #expect(straight.exitCode == 0, "\(straight)")
    #expect(try place.digests("run", step: step) == place.digests("straight", step: step))
  }

  @Test func fault5_aSecondSignalEndsAtOnce() throws {
    let place = try Workplace()
    let job = try RunningProgram(
      executable: "lockstep", arguments: Self.endless + ["--out", "run"],
      environment: ["LOCKSTEP_FAILPOINTS": "step:hang:step=7"], directory: place.path)
    try waitUntil("the fault") { job.standardError.contains("failpoint step: hang") }
    job.send(SIGTERM)
    usleep(100_000)
    #expect(Program.isRunning(job.processID))
    job.send(SIGTERM)
    #expect(try job.wait(timeout: 2).exitCode == 128 + SIGTERM)
  }

  @Test func fault5_aLauncherThatEndsWhoIsLateInLeavingMakesNoFailureOfAStop() throws {
    let place = try Workplace()
    let job = try RunningProgram(
      executable: "lockstep", arguments: Self.endless + ["--out", "run"],
      environment: ["LOCKSTEP_FAILPOINTS": "leave:hang"], directory: place.path)
    try waitUntil("metrics") { ((try? place.metrics("run").count) ?? 0) >= 2 }
    job.send(SIGUSR1)
    try waitUntil("the end") { job.standardError.contains("failpoint leave: hang") }
    job.send(SIGTERM)
    let result = try job.wait(timeout: 2)
    #expect(result.exitCode == 75, "\(result)")
    #expect(result.standardOutput.contains("stopped by a signal"), "\(result)")
  }

  @Test func fault5_whoIsDoneIsNotStoppedAnyMore() throws {
    let place = try Workplace()
    let job = try RunningProgram(
      executable: "lockstep", arguments: smallRun + ["--out", "run"],
      environment: ["LOCKSTEP_FAILPOINTS": "leave:hang"], directory: place.path)
    try waitUntil("the end") { job.standardError.contains("failpoint leave: hang") }
    job.send(SIGTERM)
    #expect(try job.wait(timeout: 2).exitCode == 0)
  }

  /// A launcher takes the highest code of all ranks: 0 from the others leaves rank 0's 75 to tell.
  @Test func fault5_anotherRankThanTheFirstEndsWithZeroWhateverSignalComesWhileItLeaves() throws {
    let place = try Workplace()
    // What mpirun makes of it is not the question, so each rank's code is kept.
    let noting = "\"$0\" \"$@\"; echo $? > \"$CODES/$OMPI_COMM_WORLD_RANK\""
    try FileManager.default.createDirectory(atPath: place.file("codes"), withIntermediateDirectories: true)
    let job = try MPIRun.start(
      ranks: 2, executable: "sh",
      arguments: ["-c", noting, try Program.path(of: "lockstep")] + Self.endless + ["--out", "run"],
      environment: ["LOCKSTEP_FAILPOINTS": "leave:hang:rank=1", "CODES": place.file("codes")],
      directory: place.path)
    try waitUntil("metrics") { ((try? place.metrics("run").count) ?? 0) >= 2 }
    let rank = try #require(job.process(ofRank: 1, named: "lockstep"))
    kill(rank, SIGUSR1)
    try waitUntil("the end") { job.standardError.contains("failpoint leave: hang in rank 1") }
    kill(rank, SIGTERM)
    _ = try job.wait(timeout: 20)
    #expect(try String(contentsOfFile: place.file("codes/1"), encoding: .utf8) == "0\n")
    #expect(job.standardOutput.contains("stopped by a signal"))
  }

  @Test(arguments: wantsAllFaults ? [nil, 2] : [2]) func fault5_aTimeLimitSavesAndEndsInTime(ranks: Int?)
    throws
  {
    let place = try Workplace()
    let limited = try place.lockstep(Self.endless + ["--out", "run", "--time-limit", "3s"], ranks: ranks)
    #expect(limited.exitCode == 75, "\(limited)")
    #expect(limited.standardOutput.contains("stopped by the time limit of 3.0 s after step"), "\(limited)")
    // mpirun takes a part of a second for itself before and after.
    #expect(limited.seconds > 1.5 && limited.tookLess(than: 3 + 2), "\(limited)")
    let step = try #require(place.checkpoints("run").last)
    let resumed = try place.lockstep(
      ["train", "--resume", "--out", "run"] + settings("epochs=null", "steps=\(step + 3)"), ranks: 2)
    #expect(
      resumed.exitCode == 0 && resumed.standardOutput.contains("resumed from step \(step)"), "\(resumed)")
  }

  @Test(arguments: [
    ["--time-limit", "90"], ["--time-limit", "0"], ["--hang-timeout", "soon"], ["--hang-timeout", "0.1s"],
  ])
  func timesThatAreNoneAreRefusedBeforeAnythingBegins(_ option: [String]) throws {
    let place = try Workplace()
    let result = try place.lockstep(Self.run + ["--out", "run"] + option)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.messages.count == 1 && result.messages[0].contains("\(option[0]): expected"), "\(result)")
    #expect(!FileManager.default.fileExists(atPath: place.file("run")))
  }

  @Test(arguments: wantsAllFaults ? [1, 2, 3] : [3])
  func fault9_notANumberOnOneRankStopsAllWithItsNameOrIsSkippedByAll(ranks: Int) throws {
    let place = try Workplace()
    let fault = "gradients:nan:step=9,rank=\(ranks - 1)"
    let stopped = try place.run(Self.run + ["--out", "stopped"], ranks: ranks, failpoints: fault)
    #expect(stopped.failpoints == ["failpoint gradients: nan in rank \(ranks - 1) at step 9"])
    #expect(stopped.result.exitCode == 1, "\(stopped.result)")
    let message = try #require(stopped.result.messages.first)
    #expect(stopped.result.messages.count == 1, "\(stopped.result)")
    #expect(message.contains("step 9: expected finite gradients"), "\(message)")
    #expect(message.contains("0.weight (rank \(ranks - 1), shard"), "\(message)")
    #expect(place.checkpoints("stopped") == [5])

    // All in one go, and stopped behind the fault; on other ranks.
    let skip = Self.run + settings("nonFinite=skip")
    let skipped = try place.run(skip + ["--out", "skipped"], ranks: ranks, failpoints: fault)
    #expect(skipped.result.exitCode == 0, "\(skipped.result)")
    #expect(skipped.result.standardError.contains("step 9 is skipped"), "\(skipped.result)")
    #expect(skipped.result.standardOutput.contains("1 step with infinite numbers"), "\(skipped.result)")
    let halted = try place.run(
      skip + ["--out", "halted"], ranks: 2,
      failpoints: "gradients:nan:step=9,rank=0;step:crash:step=14,rank=0")
    #expect(halted.failpoints.count == 2, "\(halted.result)")
    let resumed = try place.lockstep(["train", "--resume", "--out", "halted"], ranks: 3)
    // Of step 10, or of step 12, if that was on the disk in time.
    #expect(resumed.standardOutput.contains("resumed from step 1"), "\(resumed)")
    #expect(resumed.standardOutput.contains("1 step with infinite numbers"), "\(resumed)")
    #expect(try place.digests("halted", step: 24) == place.digests("skipped", step: 24))
    #expect(try place.metrics("halted") == place.metrics("skipped"))
    #expect(try place.metrics("skipped").last { $0.split == .train }?.skipped == 1)
    // It makes a difference: a step less.
    #expect(try place.lockstep(Self.run + ["--out", "undisturbed"]).exitCode == 0)
    #expect(try place.digest("skipped") != place.digest("undisturbed"))
  }

  @Test func fault10_aSlowRankGivesTheSameWeightsAndIsNamed() throws {
    let place = try Workplace()
    let run = Self.run + settings("epochs=null", "steps=12", "metrics.everySteps=6")
    #expect(try place.lockstep(run + ["--out", "undisturbed"]).exitCode == 0)
    let slow = try place.run(run + ["--out", "slow"], ranks: 3, failpoints: "step:slow:rank=1,times=1000")
    #expect(slow.failpoints.count == 12)
    #expect(slow.result.exitCode == 0, "\(slow.result)")
    #expect(slow.result.standardOutput.contains("they wait for rank 1"), "\(slow.result)")
    #expect(try place.digests("slow", step: 12) == place.digests("undisturbed", step: 12))
    let waits = try MetricsRecord.read(at: place.file("slow/metrics.jsonl")).compactMap(\.waits)
    #expect(
      waits.count == 2 && waits.allSatisfy { $0.count == 3 && $0[1] < $0[0] && $0[1] < $0[2] }, "\(waits)")
  }

  /// No test changes the machine's clock. Nothing asks for it: but the log, to write it down, and the doctor, to compare
  /// those of several machines.
  @Test func fault17_onlyTheLogAndTheDoctorAskForTheTimeOfDay() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    let files =
      FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?
      .compactMap { $0 as? URL } ?? []
    var askers: Set<String> = []
    for file in files where ["swift", "c", "h"].contains(file.pathExtension) {
      let text = try String(contentsOf: file, encoding: .utf8)
      let words = ["CLOCK_REALTIME", "gettimeofday", "Date()", "Date.now", "time(nil)", "time(NULL)"]
      if words.contains(where: text.contains) { askers.insert(file.lastPathComponent) }
    }
    #expect(files.count > 100 && askers == ["ClusterProbe.swift", "RunLog.swift"], "\(askers)")
  }

  @Test(arguments: wantsAllFaults ? ["ordered", "allreduce"] : ["ordered"])
  func aCopyOfTheWeightsThatDiffersEndsTheRun(_ strategy: String) throws {
    let place = try Workplace()
    let run = Self.run + settings("averaging=\(strategy)", "audit.everySteps=1")
    let spoilt = try place.run(run + ["--out", "run"], ranks: 3, failpoints: "replica:nan:step=7,rank=1")
    #expect(spoilt.failpoints == ["failpoint replica: nan in rank 1 at step 7"])
    #expect(spoilt.result.exitCode == 1, "\(spoilt.result)")
    let message = try #require(spoilt.result.messages.first)
    #expect(message.contains("after step 7: expected the same weights on all ranks"), "\(message)")
    #expect(message.contains("others on rank 1, first in 0.weight"), "\(message)")
    #expect(place.checkpoints("run") == [5])
  }
}
