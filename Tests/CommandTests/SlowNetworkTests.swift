import DistributedScenarios
import Foundation
import Testing

/// What travels less between machines: numbers rounded on their way, and local steps.
@Suite(.serialized) struct SlowNetworkTests {
  private static let wire = smallRun + settings("shards=4", "averaging.wire=bfloat16")
  private static let periodic =
    smallRun
    + settings("shards=4", "optimizer={name: adam}", "averaging.strategy=periodic", "averaging.everySteps=10")

  @Test func roundedNumbersGiveTheSameBitsOnAnyNumberOfRanks() throws {
    let place = try Workplace()
    for ranks in 1...4 {
      let result = try place.lockstep(Self.wire + ["--out", "\(ranks)"], ranks: ranks)
      #expect(result.exitCode == 0, "\(result)")
      #expect(try place.digests("\(ranks)", step: 48) == place.digests("1", step: 48), "\(ranks) ranks")
      #expect(try place.metrics("\(ranks)") == place.metrics("1"), "\(ranks) ranks")
    }
    // They matter, and not much.
    _ = try place.lockstep(Self.wire + settings("averaging.wire=float32") + ["--out", "exact"])
    #expect(try place.digest("exact") != place.digest("1"))
    for (one, other) in zip(try place.metrics("exact"), try place.metrics("1")) {
      #expect(abs(one.loss - other.loss) < 0.05 * one.loss, "\(one) \(other)")
    }
  }

  @Test(.enabled(if: wantsCluster, "needs root: scripts/test --cluster"))
  func halfTheBytesTravelBetweenHosts() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place)
    #expect(try place.lockstep(Self.wire + ["--out", "alone"]).exitCode == 0)
    let rounded = try hosts.run(Self.wire + ["--out", "rounded"], ranksPerHost: 2)
    #expect(rounded.result.exitCode == 0, "\(rounded)")
    #expect(try place.digests("rounded", step: 48) == place.digests("alone", step: 48))
    let exact = try hosts.run(
      Self.wire + settings("averaging.wire=float32") + ["--out", "exact"], ranksPerHost: 2)
    #expect(exact.result.exitCode == 0, "\(exact)")
    // 101,770 parameters: half of the gradients go one way and half of the new ones.
    let least = 48 * 4 * 101_770
    #expect(exact.bytes > least && exact.bytes < least * 3 / 2, "\(exact.bytes)")
    #expect(
      rounded.bytes > least / 2 && Double(rounded.bytes) < 0.56 * Double(exact.bytes), "\(rounded.bytes)")
  }

  @Test(.enabled(if: wantsCluster, "needs root: scripts/test --cluster"))
  func hostsThatTrainByThemselvesTalkSeldom() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place)
    let whole = try hosts.run(Self.periodic + ["--out", "whole"], ranksPerHost: 2)
    #expect(whole.result.exitCode == 0, "\(whole)")
    let log = try String(contentsOfFile: place.file("whole/log.txt"), encoding: .utf8)
    #expect(log.contains("2 workers train by themselves for up to 10 steps"), "\(log)")
    // Averaged at steps 10, 20, 24, 30, 40, 48, and saved at 24 and 48: the second host's half of Adam's state.
    #expect(whole.bytes < 48 * 4 * 101_770 / 3, "\(whole.bytes)")

    let parts = try hosts.run(Self.periodic + settings("epochs=1") + ["--out", "parts"], ranksPerHost: 1)
    #expect(parts.result.exitCode == 0, "\(parts)")
    let resumed = try hosts.run(Self.periodic + ["--resume", "--out", "parts"], ranksPerHost: 2)
    #expect(resumed.result.exitCode == 0, "\(resumed)")
    #expect(try place.digests("parts", step: 48) == place.digests("whole", step: 48))
    let alone = try place.lockstep(Self.periodic + settings("epochs=4") + ["--resume", "--out", "parts"])
    #expect(alone.exitCode == 2 || alone.exitCode == 1, "\(alone)")
    #expect(alone.standardError.contains("2 of 2, 2 shards"), "\(alone)")
  }

  @Test func workersThatAreStoppedGoOnAsIfNothingHadBeen() throws {
    let place = try Workplace()
    let run =
      ["train", "digits"]
      + settings(
        "data.samples=5893", "data.testSamples=300", "metrics.everySteps=5", "epochs=12", "shards=4",
        "averaging={strategy: periodic, workers: ranks, everySteps: 9}", "checkpoint.everyEpochs=1000")
    #expect(try place.lockstep(run + ["--out", "whole"], ranks: 2).exitCode == 0)
    let job = try place.start(run + ["--out", "stopped"], ranks: 2)
    try waitUntil("metrics") { ((try? place.metrics("stopped").count) ?? 0) >= 3 }
    // Of one rank alone, which is not the one that decides.
    let victim = try #require(job.process(ofRank: 1))
    kill(victim, SIGUSR1)
    let result = try job.wait(timeout: 10)
    #expect(result.exitCode == 75, "\(result)")
    let saved = place.checkpoints("stopped")
    #expect(saved.count == 1 && saved[0] < 564 && (saved[0] % 9 == 0 || saved[0] % 47 == 0), "\(saved)")
    let resumed = try place.lockstep(run + ["--resume", "--out", "stopped"], ranks: 2)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(try place.digests("stopped", step: 564) == place.digests("whole", step: 564))
    #expect(try place.metrics("stopped") == place.metrics("whole"))
  }
}

extension EmulatedHosts {
  /// Trains to the end, and tells how many bytes the first host has sent meanwhile.
  fileprivate func run(
    _ arguments: [String], ranksPerHost: Int
  ) throws -> (result: ProgramResult, bytes: Int) {
    let before = try sentBytes()
    let launch = ["run", "1", "mpirun", "-n", "\(2 * ranksPerHost)", "--map-by", "ppr:\(ranksPerHost):node"]
    let result = try call(launch + ["lockstep"] + arguments)
    return (result, try sentBytes() - before)
  }

  private func sentBytes() throws -> Int {
    let path = "/sys/class/net/\(name)v1/statistics/rx_bytes"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard let bytes = Int(text.filter(\.isNumber)) else { throw Unexpected("\(path): \(text)") }
    return bytes
  }
}
