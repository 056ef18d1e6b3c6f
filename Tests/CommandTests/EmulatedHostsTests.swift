import DistributedScenarios
import Foundation
import Testing

/// Runs on two hosts with network namespaces of their own.
@Suite(.serialized, .enabled(if: wantsCluster, "needs root: scripts/test --cluster"))
struct EmulatedHostsTests {
  private static let settings = [
    "--set", "data.samples=2048", "--set", "data.testSamples=100", "--set", "shards=4", "--set",
    "checkpoint.everySteps=40",
  ]
  private static let short = settings + ["--set", "epochs=3"]

  @Test func twoHostsWithTwoRanksEachGiveTheBitsOfOneWithAnyNumber() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place)
    let names = try hosts.call(["run", "1", "mpirun", "-n", "4", "hostname"])
    #expect(
      names.standardOutput.split(separator: "\n").sorted()
        == ["1", "1", "2", "2"].map { "\(hosts.name)\($0)" }.map { $0[...] })
    let answer = try hosts.call(["run", "1", "mpirun", "-n", "4", "lockstep", "doctor", "--cluster"])
    let machines = "4 on 2 machines: 2 on \(hosts.name)1, 2 on \(hosts.name)2"
    #expect(answer.exitCode == 0 && answer.standardOutput.contains(machines), "\(answer)")
    for (name, launcher) in [
      ("mpirun", ["mpirun", "-n", "4", "lockstep"]),
      ("launch", ["lockstep", "launch", "-n", "4", "--hostfile", hosts.hostfile, "--"]),
    ] {
      let result = try hosts.call(["run", "1"] + launcher + ["train", "digits", "--out", name] + Self.short)
      #expect(result.exitCode == 0 && result.standardOutput.contains("4 ranks"), "\(result)")
    }
    for ranks in [1, 2, 4] {
      let result = try place.lockstep(
        ["train", "digits", "--out", "alone-\(ranks)"] + Self.short, ranks: ranks)
      #expect(result.exitCode == 0, "\(result)")
    }
    let digests = try place.digests("alone-1", step: 48)
    for run in ["alone-2", "alone-4", "mpirun", "launch"] {
      #expect(try place.digests(run, step: 48) == digests, "\(run)")
    }
  }

  @Test func aHostWhoseLinkIsCutIsLeftOutAndTheRunEndsWithTheSameBits() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place)
    let run = ["train", "digits"] + Self.settings + ["--set", "epochs=150"]
    let job = try hosts.start(
      ["lockstep", "launch", "-n", "4", "--hostfile", hosts.hostfile, "--"] + run + ["--out", "run"])
    try waitUntil("a checkpoint") { !place.checkpoints("run").isEmpty }
    #expect(try hosts.call(["cut", "2"]).exitCode == 0)
    let result = try job.wait(timeout: 90)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.standardError.contains("host \(hosts.name)2 is left out"), "\(result)")
    #expect(result.standardOutput.contains("resumed from step"), "\(result)")
    #expect(result.standardOutput.contains(", 2 ranks"), "\(result)")
    let alone = try place.lockstep(run + ["--out", "alone"])
    #expect(alone.exitCode == 0, "\(alone)")
    #expect(try place.digests("run", step: 2400) == place.digests("alone", step: 2400))
  }

  @Test func hostsAreMadeOnceOnTheLinksAskedForAndNothingOfThemStays() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place, options: ["--hosts", "3", "--rate", "100mbit"])
    func limits() throws -> String {
      try Program.run(executable: "tc", arguments: ["-n", "\(hosts.name)3", "qdisc", "show", "dev", "eth0"])
        .standardOutput
    }
    #expect(try limits().contains("rate 100Mbit"))
    #expect(try hosts.call(["rate", "none"]).exitCode == 0)
    #expect(try !limits().contains("rate 100Mbit"))

    let again = try hosts.call(["up"])
    #expect(again.exitCode == 1 && again.standardError.contains("are up already"), "\(again)")
    let inside = place.file("inside")
    let sleeper = try hosts.start(["sh", "-c", "touch \(inside); exec sleep 1000"])
    try waitUntil("sleep") { FileManager.default.fileExists(atPath: inside) }
    #expect(try hosts.call(["down"]).exitCode == 0)
    #expect(try sleeper.wait(timeout: 20).exitCode == 128 + SIGTERM)
    try expectNothing(of: hosts)
    let down = try hosts.call(["down"])
    #expect(
      down.exitCode == 0 && down.standardError.contains("nothing called \(hosts.name) was up"), "\(down)")

    // One that fails half way leaves nothing either.
    try place.writeProgram("#!/bin/sh\nexit 1", to: "broken/tc")
    let failed = try Program.run(
      executable: EmulatedHosts.script, arguments: ["up", "--name", hosts.name, "--rate", "1gbit"],
      environment: ["PATH": ClusterFiles.searchPath(first: place.file("broken"))])
    #expect(
      failed.exitCode == 1 && failed.standardError.contains("what was made is removed again"), "\(failed)")
    try expectNothing(of: hosts)
  }

  private func expectNothing(of hosts: EmulatedHosts) throws {
    let left = try Program.run(executable: "ip", arguments: ["link"]).standardOutput
    #expect(!left.contains(hosts.name), "\(left)")
    #expect(try !Program.run(executable: "ip", arguments: ["netns"]).standardOutput.contains(hosts.name))
    #expect(!FileManager.default.fileExists(atPath: hosts.hostfile))
    #expect(hosts.place.processes().isEmpty)
  }
}
