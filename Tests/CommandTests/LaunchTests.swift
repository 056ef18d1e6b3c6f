import DistributedScenarios
import Foundation
import Testing
import Training

/// `lockstep launch` under real mpirun: what it does about each kind of end.
@Suite(.serialized) struct LaunchTests {
  private static let small = [
    "train", "digits", "--set", "data.samples=1024", "--set", "data.testSamples=100", "--set", "shards=8",
  ]

  /// 48 steps, a checkpoint after each 5.
  private static let short = small + settings("epochs=6", "checkpoint.everySteps=5")
  private static let lastStep = 48

  /// Minutes of steps, of which tests see the first.
  private static let long = small + settings("epochs=100000", "checkpoint.everySteps=20")

  private static func arguments(_ options: [String], _ training: [String]) -> [String] {
    ["launch", "--oversubscribe", "--wait", "0.1", "--mpirun", "--bind-to none"]
      + (geteuid() == 0 ? ["--allow-run-as-root"] : []) + options + ["--"] + training
  }

  private func start(
    _ options: [String], _ training: [String], in place: Workplace, failpoints: String? = nil
  ) throws -> RunningProgram {
    // What mpirun leaves among temporary files is to be seen.
    try FileManager.default.createDirectory(atPath: place.file("tmp"), withIntermediateDirectories: true)
    var environment = place.environment.merging(["TMPDIR": place.file("tmp")]) { $1 }
    environment["LOCKSTEP_FAILPOINTS"] = failpoints
    return try RunningProgram(
      executable: "lockstep", arguments: Self.arguments(options, training), environment: environment,
      directory: place.path)
  }

  private func events(_ result: ProgramResult) -> [String] {
    result.standardError.split(separator: "\n").map(String.init).filter { $0.hasPrefix("lockstep launch: ") }
  }

  private func undisturbed(_ place: Workplace) throws -> [String] {
    let result = try place.lockstep(Self.short + ["--out", "undisturbed"])
    #expect(result.exitCode == 0, "\(result)")
    return try place.digests("undisturbed", step: Self.lastStep)
  }

  @Test func aCrashedRunGoesOnFromItsCheckpointToTheSameBits() throws {
    let place = try Workplace()
    // No folder is named: the restart must find the one that the first start took.
    let result = try start(
      ["-n", "3"], Self.short, in: place, failpoints: "step:crash:step=13,rank=1,restart=0"
    ).wait(timeout: 60)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.contains("failpoint step: crash in rank 1 at step 13"), "\(result)")
    let events = events(result)
    #expect(events.count == 2, "\(result)")
    let line = events.first ?? ""
    #expect(line.contains("rank 1 on host ") && line.contains("killed by SIGKILL"), "\(line)")
    // The checkpoint of step 10 may still have been on its way to the disk.
    let step = [10, 5].first { line.contains("exit code 137; goes on from step \($0) with 3 ranks") }
    #expect(try result.standardOutput.contains("resumed from step \(#require(step)) of 48"), "\(result)")
    #expect(place.contents("runs").keys.filter { $0.hasSuffix("config.yaml") } == ["digits-1/config.yaml"])
    #expect(try place.digests("runs/digits-1", step: Self.lastStep) == undisturbed(place))
    #expect(try place.metrics("runs/digits-1") == place.metrics("undisturbed"))
    let log = try String(contentsOfFile: place.file("runs/digits-1/log.txt"), encoding: .utf8)
    #expect(log.contains("launch: rank 1 on host "), "\(log)")
    #expect(place.processes().isEmpty)
  }

  @Test func aRankThatHangsIsNamedAndTheRunBegunAgain() throws {
    let place = try Workplace()
    let result = try start(
      ["-n", "2"], Self.short + ["--hang-timeout", "\(2 * patience)s"], in: place,
      failpoints: "step:hang:step=13,rank=1,restart=0"
    ).wait(timeout: 60)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.contains("failpoint step: hang in rank 1 at step 13"), "\(result)")
    let events = events(result)
    #expect(events.count == 2 && events[0].contains("exit code 76"), "\(result)")
    #expect(try place.digests("runs/digits-1", step: Self.lastStep) == undisturbed(place))
    #expect(place.processes().isEmpty)
  }

  @Test func aSweepOfWhichAllHaveFailedIsNotBegunAgain() throws {
    let place = try Workplace()
    try place.write(
      Array(
        "base: digits\nset: {data.samples: 640, shards: 2}\ngrid: {optimizer.learningRate: [1e30, 1e35]}\n"
          .utf8),
      to: "sweep.yaml")
    let result = try start(["-n", "2"], ["sweep", "sweep.yaml", "--out", "run"], in: place).wait(timeout: 60)
    #expect(result.exitCode == 1 && result.standardOutput.contains("member 002 failed"), "\(result)")
    #expect(events(result).isEmpty, "\(result)")
  }

  @Test func restartsWithoutANewerCheckpointRunOut() throws {
    let place = try Workplace()
    let result = try start(
      ["-n", "2", "--max-restarts", "1"], Self.short + ["--out", "run"], in: place,
      failpoints: "step:crash:step=8,rank=0"
    ).wait(timeout: 60)
    #expect(result.exitCode == 137, "\(result)")
    #expect(result.standardError.components(separatedBy: "failpoint step: crash").count == 3, "\(result)")
    // The first failure left a newer checkpoint than there was before, the second did not.
    let events = events(result)
    #expect(events.count == 3 && events[0].contains("attempt 1 of 1"), "\(events)")
    #expect(events.last?.contains("gives up after 1 restart without a newer checkpoint") == true, "\(events)")
    // It may still have been on its way to the disk.
    let stands =
      place.checkpoints("run").isEmpty ? "there is no checkpoint yet" : "the checkpoint of step 5 stands"
    #expect(events.last?.contains(stands) == true, "\(events)")
    #expect(place.processes().isEmpty)
  }

  @Test func whatIsWrongFromTheBeginningIsNotTriedAgain() throws {
    let place = try Workplace()
    for training in [
      ["train", "digits", "--set", "frobs=3"],
      // More ranks than shards.
      ["train", "digits", "--set", "shards=1"],
    ] {
      let result = try start(["-n", "2"], training, in: place).wait(timeout: 30)
      #expect(result.exitCode == 2, "\(result)")
      #expect(result.messages.count == 1, "\(result)")
      #expect(events(result).isEmpty, "\(result)")
    }
    for arguments in [["evaluate", "x"], ["train", "digits", "--frobs"], []] {
      let result = try start(["-n", "2"], arguments, in: place).wait(timeout: 30)
      #expect(result.exitCode == 2 && events(result).isEmpty, "\(result)")
    }
    let noHosts = try start(["-n", "2", "--hostfile", "none"], Self.short, in: place).wait(timeout: 30)
    #expect(
      noHosts.exitCode == 2 && noHosts.standardError.contains("none: expected a host file"), "\(noHosts)")
    #expect(place.contents("runs").isEmpty)
    #expect(place.processes().isEmpty)
  }

  @Test("Fault 21: a machine without mpirun hears what to install")
  func aMachineWithoutMpirunHearsWhatToInstall() throws {
    let place = try Workplace()
    let result = try Program.run(
      executable: "lockstep", arguments: Self.arguments(["-n", "2"], Self.short),
      environment: ["PATH": place.path],
      directory: nil, timeout: 30)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.standardError.contains("apt-get install openmpi-bin"), "\(result)")
  }

  @Test func mpirunsOwnRefusalIsNotTriedAgain() throws {
    let place = try Workplace()
    try place.write(Array("localhost slots=2\n".utf8), to: "hosts")
    var arguments = Self.arguments(["-n", "3", "--hostfile", "hosts"], Self.short)
    arguments.removeAll { $0 == "--oversubscribe" }
    let result = try place.lockstep(arguments, timeout: 30)
    #expect(result.exitCode == 2, "\(result)")
    #expect(events(result).count == 1 && events(result)[0].contains("add --oversubscribe"), "\(result)")
  }

  @Test(arguments: [SIGTERM, SIGUSR1]) func aSignalHasTheRanksSaveAndEndsWith75(_ signal: Int32) throws {
    let place = try Workplace()
    let job = try start(["-n", "2"], Self.long + ["--out", "run"], in: place)
    try waitUntil("a checkpoint") { (place.checkpoints("run").last ?? 0) >= 20 }
    job.send(signal)
    let result = try job.wait(timeout: 15)
    #expect(result.exitCode == 75, "\(result)")
    #expect(events(result).count == 1, "\(result)")
    let match = try #require(
      result.standardOutput.firstMatch(of: /stopped by a signal after step (\d+) of/), "\(result)")
    let step = try #require(Int(match.1))
    let checkpoint = try place.lockstep(["inspect", "run/checkpoints/step-\(step)"])
    #expect(checkpoint.exitCode == 0, "\(checkpoint)")
    #expect(place.checkpoints("run").last == step)
    #expect(place.processes().isEmpty)
  }

  @Test func aKilledMpirunLeavesNoRankAndTheRunGoesOn() throws {
    let place = try Workplace()
    let job = try start(["-n", "3"], Self.short + settings("epochs=40") + ["--out", "run"], in: place)
    try waitUntil("a checkpoint") { (place.checkpoints("run").last ?? 0) >= 10 }
    let before = place.processes()
    kill(try #require(job.launcher()), SIGKILL)
    let ranks = before.filter { $0 != job.processID }
    // Without a launcher to adopt them, ranks need up to 6 s to notice.
    try waitUntil("no rank is left", timeout: 2) { !ranks.contains(where: Program.isRunning) }
    let result = try job.wait(timeout: 60)
    #expect(result.exitCode == 0, "\(result)")
    #expect(events(result).first?.contains("mpirun was killed by SIGKILL") == true, "\(result)")
    #expect(
      place.contents("tmp").keys.filter { $0.contains("pid.") }.isEmpty, "\(place.contents("tmp").keys)")
    #expect(result.standardOutput.contains("resumed from step "), "\(result)")
    #expect(place.processes().isEmpty)
  }

  @Test func aKilledLaunchTakesEverythingWithIt() throws {
    let place = try Workplace()
    let job = try start(["-n", "2"], Self.long + ["--out", "run"], in: place)
    try waitUntil("a checkpoint") { (place.checkpoints("run").last ?? 0) >= 20 }
    #expect(place.processes().count == 4)
    job.send(SIGKILL)
    try waitUntil("nobody is left", timeout: 8) { place.processes().isEmpty }
    _ = try job.wait(timeout: 5)
  }

  /// Stands in for ssh: one host is out of reach, the others are this machine under their names.
  private static let agent = """
    #!/bin/sh
    host=$1
    shift
    if [ "$host" = bad ]; then
      echo "no route to $host" >&2
      exit 255
    fi
    exec unshare -u /bin/sh -c "hostname $host; $*"
    """

  /// Whether a process can have a host name of its own here.
  private static var canRename: Bool {
    (try? Program.run(executable: "unshare", arguments: ["-u", "true"]).exitCode) == 0
  }

  @Test func aHostThatCannotBeReachedIsLeftOut() throws {
    let place = try Workplace()
    try place.writeProgram(Self.agent, to: "agent")
    let isRenamed = Self.canRename
    let hosts = "localhost slots=2\nbad slots=1\n" + (isRenamed ? "other slots=1\n" : "")
    try place.write(Array(hosts.utf8), to: "hosts")
    let ranks = isRenamed ? 3 : 2
    let options = [
      "-n", "4", "--hostfile", "hosts", "--mpirun",
      "--mca plm rsh --mca plm_rsh_agent \(place.file("agent")) --mca btl self,tcp --mca pml ob1",
    ]
    let result = try start(options, Self.short + ["--out", "run"], in: place).wait(timeout: 60)
    #expect(result.exitCode == 0, "\(result)")
    let events = events(result)
    #expect(events.first?.contains("host bad is left out: it cannot be reached") == true, "\(result)")
    #expect(events.dropFirst().first?.contains("with \(ranks) ranks") == true, "\(result)")
    #expect(result.standardOutput.contains("\(ranks) ranks, results in run"), "\(result)")
    #expect(try place.digests("run", step: Self.lastStep) == undisturbed(place))
    #expect(place.processes().isEmpty)
  }
}
