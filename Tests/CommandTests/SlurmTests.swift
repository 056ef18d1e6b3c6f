import DistributedScenarios
import Foundation
import Testing

/// The scripts of `cluster/slurm`, submitted as they are to a Slurm cluster that runs on this machine.
@Suite(.serialized, .enabled(if: wantsCluster, "needs Slurm's daemons: scripts/test --cluster"))
struct SlurmTests {
  private static let settings = [
    "--set", "data.samples=2048", "--set", "data.testSamples=100", "--set", "shards=4",
  ]
  /// 16 steps an epoch.
  private static let short = settings + ["--set", "epochs=3"]
  private static let twoNodes = ["--nodes=2", "--ntasks-per-node=2"]

  /// A configuration without an end, so that a job is there to be disturbed.
  private func writeEndless(_ name: String, in place: Workplace) throws {
    try write(name, steps: 10_000_000, in: place)
  }

  /// The run is to end after so many steps: which changes nothing of those before.
  private func write(_ name: String, steps: Int, in place: Workplace) throws {
    let text = """
      model: {name: mlp}
      data: {name: digits, samples: 2048, testSamples: 100}
      optimizer: {name: adam, learningRate: 0.001}
      shards: 4
      steps: \(steps)
      checkpoint: {everySteps: 500}
      metrics: {everySteps: 10}
      """
    try place.write(Array(text.utf8), to: name)
  }

  private func undisturbed(_ name: String, in place: Workplace) throws -> String {
    let result = try place.lockstep(["train", name, "--out", "undisturbed"])
    #expect(result.exitCode == 0, "\(result)")
    return try place.digest("undisturbed")
  }

  /// The steps after which a job was stopped, and those from which it went on.
  private func steps(_ words: String, in log: String) -> [Int] {
    log.split(separator: "\n").compactMap { line in
      line.contains(words) ? line.split(separator: " ").lazy.compactMap { Int($0) }.first : nil
    }
  }

  @Test(arguments: ["train.sbatch", "launch.sbatch"])
  func twoNodesOfTwoRanksGiveTheBitsOfOneRank(_ script: String) throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    let job = try slurm.submit(script, options: Self.twoNodes, ["digits", "runs/it"] + Self.short)
    try slurm.waitFor(job, toBe: "COMPLETED")
    #expect(slurm.log(job).contains("4 ranks"), "\(slurm.log(job))")
    #expect(try slurm.field("NumNodes", of: job) == "2")

    let alone = try place.lockstep(["train", "digits", "--out", "alone"] + Self.short)
    #expect(alone.exitCode == 0, "\(alone)")
    #expect(try place.digests("runs/it", step: 48) == place.digests("alone", step: 48))
  }

  @Test func doctorSeesTheNodesAsMachines() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    let answer = try slurm.run(
      "srun", ["--mpi=pmix"] + Self.twoNodes + ["lockstep", "doctor", "--cluster"])
    #expect(answer.contains("4 on 2 machines"), "\(answer)")
  }

  /// Slurm looks at the time twice a minute, so all three wait together.
  @Test func aTimeLimitEndsInACheckpointAndANewStartToTheSameBits() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 6)
    try writeEndless("run.yaml", in: place)
    let limit = ["--time=1", "--nodes=2", "--ntasks-per-node=1"]
    let train = try slurm.submit(
      "train.sbatch", options: limit + ["--signal=USR1@59"], ["run.yaml", "train"])
    let launch = try slurm.submit(
      "launch.sbatch", options: limit + ["--signal=B:USR1@59"], ["run.yaml", "launch"])
    let array = try slurm.submit(
      "sweep.sbatch", options: limit + ["--signal=USR1@59", "--array=0-0"],
      ["run.yaml", "sweep", "--set", "optimizer.learningRate=0.001"])
    let jobs = [(train, "train"), (launch, "launch"), ("\(array)_0", "sweep/0")]
    var last = 0
    for (job, run) in jobs {
      try waitUntil("\(job) saved; its log:\n\(slurm.log(job))", timeout: 90) {
        usleep(100_000)
        return !steps("stopped by a signal after step", in: slurm.log(job)).isEmpty
      }
      let stopped = steps("stopped by a signal after step", in: slurm.log(job))
      #expect(place.checkpoints(run).last == stopped.first)
      last = max(last, stopped.first ?? 0)
    }
    // What is left is short, for all of them.
    try write("run.yaml", steps: last + 100, in: place)
    for (job, _) in jobs {
      try slurm.waitFor(job, toBe: "COMPLETED", timeout: 120)
      // Appended to what the first start has written.
      #expect(steps("resumed from step", in: slurm.log(job)) == steps("stopped by", in: slurm.log(job)))
      #expect(steps("resumed from step", in: slurm.log(job)).isEmpty == false, "\(slurm.log(job))")
    }
    let digest = try undisturbed("run.yaml", in: place)
    for (_, run) in jobs { #expect(try place.digest(run) == digest, "\(run)") }
  }

  @Test func aJobThatAnotherDisplacesSavesAndGoesOnLater() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    try writeEndless("run.yaml", in: place)
    let job = try slurm.submit("train.sbatch", options: Self.twoNodes, ["run.yaml", "run"])
    try waitUntil("metrics") { ((try? place.metrics("run").count) ?? 0) >= 3 }
    let urgent = try slurm.run(
      "sbatch", ["--parsable", "--partition=urgent", "--nodes=2", "--output=/dev/null", "--wrap=sleep 2"])
    try slurm.waitFor(urgent, toBe: "COMPLETED", timeout: 60)
    let stopped = steps("stopped by a signal after step", in: slurm.log(job))
    #expect(stopped.count == 1, "\(slurm.log(job))")
    try write("run.yaml", steps: (stopped.first ?? 0) + 100, in: place)
    try slurm.waitFor(job, toBe: "COMPLETED", timeout: 60)
    #expect(steps("resumed from step", in: slurm.log(job)) == stopped, "\(slurm.log(job))")
    #expect(try place.digest("run") == undisturbed("run.yaml", in: place))
  }

  @Test func anArrayTrainsEachOfItsSettings() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    let job = try slurm.submit("sweep.sbatch", ["digits", "runs"] + Self.short)
    for element in 0..<4 { try slurm.waitFor("\(job)_\(element)", toBe: "COMPLETED") }
    let settings = [("0.1", "128"), ("0.03", "128"), ("0.1", "256"), ("0.03", "256")]
    for (element, (rate, batch)) in settings.enumerated() {
      let configuration = try String(
        contentsOfFile: place.file("runs/\(element)/config.yaml"), encoding: .utf8)
      #expect(configuration.contains("learningRate: \(rate)\n"), "\(configuration)")
      #expect(configuration.contains("batch: \(batch)\n"), "\(configuration)")
      #expect(slurm.log("\(job)_\(element)").contains("2 ranks"))
    }
    #expect(Set(try (0..<4).map { try place.digest("runs/\($0)") }).count == 4)
  }

  /// All processes of the node are killed; Slurm itself notices only later.
  @Test func aNodeThatIsLostIsLeftOutAndTheRunGoesOn() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    try writeEndless("run.yaml", in: place)
    let job = try slurm.submit("launch.sbatch", options: Self.twoNodes, ["run.yaml", "run"])
    try waitUntil("a checkpoint", timeout: 60) { !place.checkpoints("run").isEmpty }
    try slurm.call("stop", "n2")
    try waitUntil("the run's going on; log:\n\(slurm.log(job))", timeout: 60) {
      slurm.log(job).contains("resumed from step")
    }
    let log = slurm.log(job)
    #expect(log.contains("host n2 is left out"), "\(log)")
    #expect(!log.contains("host n1 is left out"), "\(log)")
    #expect(log.contains("2 ranks"), "\(log)")
    _ = try slurm.run("scancel", ["--signal=USR1", "--batch", job])
    try waitUntil("the job saved; log:\n\(slurm.log(job))", timeout: 30) {
      slurm.log(job).contains("stopped by a signal after step")
    }
    let stopped = steps("stopped by a signal after step", in: slurm.log(job)).first ?? 0
    try write("run.yaml", steps: stopped + 50, in: place)
    _ = try slurm.run("scancel", [job])
    let rest = try place.lockstep(["train", "run.yaml", "--resume", "--out", "run"])
    #expect(rest.exitCode == 0, "\(rest)")
    #expect(try place.digest("run") == undisturbed("run.yaml", in: place))
  }

  @Test func aClusterIsMadeOnceAndNothingOfItStays() throws {
    let place = try Workplace()
    let slurm = try EmulatedSlurm(in: place, nodes: 2)
    let again = try Program.run(
      executable: EmulatedSlurm.script, arguments: ["up", "--folder", slurm.folder])
    #expect(again.exitCode == 1)
    #expect(again.standardError.contains("is up in \(slurm.folder) already"), "\(again)")
    _ = try slurm.submit("train.sbatch", options: ["--nodes=1"], ["digits", "run", "--set", "epochs=100000"])
    try waitUntil("the run") { FileManager.default.fileExists(atPath: place.file("run/metrics.jsonl")) }
    // A lost node, of which slurmctld does not know yet, keeps nobody waiting.
    try slurm.call("stop", "n2")
    let down = try slurm.call("down")
    #expect(down.tookLess(than: 20))
    #expect(!FileManager.default.fileExists(atPath: slurm.folder))
    try waitUntil("no process left", timeout: 5) { place.processes().isEmpty }
    let repeated = try slurm.call("down")
    #expect(repeated.standardError.contains("nothing was up"), "\(repeated)")

    // One whose daemons do not start leaves nothing either.
    try place.writeProgram("#!/bin/sh\nexit 1", to: "broken/slurmd")
    let failed = try Program.run(
      executable: EmulatedSlurm.script, arguments: ["up", "--folder", slurm.folder],
      environment: place.environment.merging(["PATH": ClusterFiles.searchPath(first: place.file("broken"))]) {
        $1
      })
    #expect(failed.exitCode == 1 && failed.standardError.contains("a daemon has ended"), "\(failed)")
    #expect(!FileManager.default.fileExists(atPath: slurm.folder))
    #expect(place.processes().isEmpty)
  }
}
