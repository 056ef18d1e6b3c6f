import DistributedScenarios
import Foundation
import Testing

/// One digest on any number of ranks, interrupted or not; killed ranks end the job and lose nothing.
@Suite(.serialized) struct SameBitsTests {
  /// Nine steps an epoch, the last of 5 samples: three of the eight shards are empty.
  private static let uneven =
    ["train", "digits"]
    + settings("data.samples=1029", "data.testSamples=300", "epochs=2", "metrics.everySteps=4")
  /// 47 steps an epoch, long enough to be interrupted.
  private static let long =
    ["train", "digits"]
    + settings("data.samples=5893", "data.testSamples=300", "metrics.everySteps=5")

  @Test func momentumGivesTheSameBitsOnAnyNumberOfRanks() throws {
    let place = try Workplace()
    let alone = try place.lockstep(Self.uneven + ["--out", "alone"])
    #expect(alone.exitCode == 0, "\(alone)")
    let digests = try place.digests("alone", step: 18)
    let metrics = try place.metrics("alone")
    #expect(metrics.count == 7)
    for ranks in [1, 2, 3, 4, 5, 8] {
      let result = try place.lockstep(Self.uneven + ["--out", "\(ranks)"], ranks: ranks)
      #expect(result.exitCode == 0, "\(result)")
      #expect(result.standardOutput.contains("\(ranks) rank"), "\(result)")
      #expect(try place.digests("\(ranks)", step: 18) == digests, "\(ranks) ranks")
      #expect(try place.metrics("\(ranks)") == metrics, "\(ranks) ranks")
    }
    // Another seed must not give the same, else the digest says nothing.
    _ = try place.lockstep(Self.uneven + settings("seed=1") + ["--out", "other"])
    #expect(try place.digests("other", step: 18) != digests)
  }

  @Test func adamWithClippingAndCosineGivesTheSameBitsOnAnyNumberOfRanks() throws {
    let place = try Workplace()
    let config = ["train", "adam.yaml"]
    try place.write(
      Array(
        """
        data: {name: digits, samples: 1029, testSamples: 300}
        optimizer: {name: adam, learningRate: 0.003, clipNorm: 0.5, weightDecay: 0.001}
        schedule: {name: cosine, warmupSteps: 4}
        batch: 128
        shards: 8
        epochs: 2
        """.utf8), to: "adam.yaml")
    _ = try place.lockstep(config + ["--out", "alone"])
    let digests = try place.digests("alone", step: 18)
    _ = try place.lockstep(config + settings("optimizer.clipNorm=null") + ["--out", "unclipped"])
    #expect(try place.digest("unclipped") != digests[0], "clipping had nothing to do")
    for ranks in [3, 4] {
      let result = try place.lockstep(config + ["--out", "\(ranks)"], ranks: ranks)
      #expect(result.exitCode == 0, "\(result)")
      #expect(try place.digests("\(ranks)", step: 18) == digests, "\(ranks) ranks")
      #expect(try place.metrics("\(ranks)") == place.metrics("alone"), "\(ranks) ranks")
    }
  }

  @Test func aRunStoppedOnFourRanksAndResumedOnThreeIsTheUndisturbedRun() throws {
    let place = try Workplace()
    let run = Self.long + settings("epochs=20", "checkpoint.everyEpochs=1000")
    let undisturbed = try place.lockstep(run + ["--out", "undisturbed"])
    #expect(undisturbed.exitCode == 0)

    let job = try place.start(run + ["--out", "stopped"], ranks: 4)
    try waitUntil("metrics") { ((try? place.metrics("stopped").count) ?? 0) >= 3 }
    job.send(SIGUSR1)
    let result = try job.wait(timeout: 5)
    #expect(result.exitCode == 75, "\(result)")
    #expect(result.standardOutput.contains("lockstep train --resume --out stopped"), "\(result)")
    // One checkpoint, that of the stop, short of the end: what follows is a resumption.
    let saved = place.checkpoints("stopped")
    #expect(saved.count == 1 && saved[0] < 940, "\(saved)")

    let resumed = try place.lockstep(["train", "--resume", "--out", "stopped"], ranks: 3)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(resumed.standardOutput.contains("resumed from step \(saved[0]) of 940"), "\(resumed)")
    #expect(try place.digests("stopped", step: 940) == place.digests("undisturbed", step: 940))
    #expect(try place.metrics("stopped") == place.metrics("undisturbed"))
    // The figures of the interrupted epoch are those of the whole epoch.
    let epoch = saved[0] / 47 + 1
    let figures = try #require(Self.figures(of: epoch, in: undisturbed))
    #expect(Self.figures(of: epoch, in: resumed) == figures)
  }

  /// What the line of an epoch says, less what tells time.
  private static func figures(of epoch: Int, in result: ProgramResult) -> Substring? {
    let lines = result.standardOutput.split(whereSeparator: \.isNewline)
    let line = lines.first { $0.hasPrefix("epoch \(epoch)/") && $0.contains("test accuracy") }
    return line?.prefixMatch(of: /.*test accuracy [0-9.]+ %/)?.output
  }

  /// Open MPI's mpirun ends with its own code on SIGTERM, kills the ranks soon after, and may lose what
  /// they print meanwhile; the log has it.
  @Test("Fault 4: a terminated job saves before it ends")
  func aTerminatedJobSavesBeforeItEnds() throws {
    let place = try Workplace()
    let run = Self.long + settings("epochs=30", "checkpoint.everyEpochs=1000")
    let job = try place.start(run + ["--out", "run"], ranks: 2)
    try waitUntil("metrics") { ((try? place.metrics("run").count) ?? 0) >= 3 }
    job.send(SIGTERM)
    let result = try job.wait(timeout: 5)
    #expect(result.exitCode != 0, "\(result)")
    #expect(place.checkpoints("run").count == 1, "\(result)")
    let log = try String(contentsOfFile: place.file("run/log.txt"), encoding: .utf8)
    #expect(log.contains("stopped by a signal after step"), "\(log)")
  }

  @Test(arguments: [1, 0]) func aKilledRankEndsTheJobAndResumingGivesTheUndisturbedRun(rank: Int) throws {
    let place = try Workplace()
    let run = Self.long + settings("epochs=12")
    #expect(try place.lockstep(run + ["--out", "undisturbed"]).exitCode == 0)

    let killed = run + settings("checkpoint.everySteps=7") + ["--out", "killed"]
    let job = try place.start(killed, ranks: 3)
    try waitUntil("a checkpoint") { (place.checkpoints("killed").last ?? 0) >= 21 }
    let processes = job.descendants()
    #expect(processes.count == 3)
    let victim = try #require(job.process(ofRank: rank))
    let begin = Date()
    kill(victim, SIGKILL)
    let result = try job.wait(timeout: 10)
    #expect(result.exitCode != 0, "\(result)")
    while processes.contains(where: Program.isRunning), Date().timeIntervalSince(begin) < 6 { usleep(5000) }
    #expect(Date().timeIntervalSince(begin) < 5, "\(result)")
    #expect(processes.filter(Program.isRunning).isEmpty)
    #expect((place.checkpoints("killed").last ?? 0) < 564)

    let resumed = try place.lockstep(killed + ["--resume"], ranks: 3)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(resumed.standardOutput.contains("resumed from step"), "\(resumed)")
    #expect(try place.digests("killed", step: 564) == place.digests("undisturbed", step: 564))
    #expect(try place.metrics("killed") == place.metrics("undisturbed"))
  }

  @Test func allreduceRepeatsItsBitsAtOneNumberOfRanksAndLearnsAsWell() throws {
    let place = try Workplace()
    let ordered = try place.lockstep(smallRun + ["--out", "ordered"])
    #expect(ordered.exitCode == 0)
    for name in ["first", "second"] {
      let run = smallRun + settings("averaging.strategy=allreduce", "averaging.bucketMiB=0.01")
      let result = try place.lockstep(run + ["--out", name], ranks: 3)
      #expect(result.exitCode == 0, "\(result)")
    }
    #expect(try place.digests("first", step: 48) == place.digests("second", step: 48))
    let (one, other) = (try place.metrics("first"), try place.metrics("ordered"))
    #expect(one.count == other.count)
    for (left, right) in zip(one, other) {
      #expect(abs(left.loss - right.loss) < 1e-3 * right.loss, "\(left) \(right)")
    }
  }
}
