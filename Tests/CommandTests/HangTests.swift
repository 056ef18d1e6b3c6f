// Ranks that stand still, wherever they do: the others tell which and where, and the job ends.

import DistributedScenarios
import Foundation
import Testing

@Suite(.serialized) struct HangTests {
  struct Hang: CustomTestStringConvertible, Sendable {
    let failpoint: String
    let strategy: String
    /// What must be said of the rank.
    let words: [String]

    var testDescription: String { "\(strategy), \(failpoint)" }
  }

  private static let timeout = 1.5 * patience

  static let hangs = wantsAllFaults ? all : Array(all.prefix(3))

  private static let all = [
    Hang(
      failpoint: "instruction:stop:step=6,rank=2,after=3", strategy: "shared",
      words: ["does not run", "in step 6, computing instruction 4 of ", "countCorrect"]),
    Hang(
      failpoint: "averaging:stop:step=6,rank=2", strategy: "ordered",
      words: ["does not run", "in step 6, averaging"]),
    Hang(
      failpoint: "averaging:hang:step=6,rank=2", strategy: "allreduce",
      words: ["runs, but stands still", "in step 6, averaging"]),
    Hang(
      failpoint: "step:hang:step=6,rank=2", strategy: "auto",
      words: ["runs, but stands still", "in step 6, "]),
    Hang(
      failpoint: "averaging:hang:step=6,rank=2", strategy: "shared",
      words: ["runs, but stands still", "in step 6, averaging"]),
    Hang(
      failpoint: "averaging:stop:step=6,rank=2", strategy: "allreduce",
      words: ["does not run", "in step 6, averaging"]),
  ]

  @Test(arguments: hangs) func fault11_aRankThatStandsStillIsNamedAndTheJobEnds(_ hang: Hang) throws {
    let place = try Workplace()
    let run =
      ["train", "digits", "--out", "run", "--hang-timeout", "\(Self.timeout)s"]
      + settings("data.samples=3000", "data.testSamples=100", "averaging=\(hang.strategy)")
    let stuck = try place.run(run, ranks: 4, failpoints: hang.failpoint)
    let text = stuck.result.standardError
    #expect(stuck.failpoints.count == 1, "\(stuck.result)")
    #expect(stuck.result.exitCode == 76, "\(stuck.result)")
    #expect(try #require(stuck.secondsToEnd) < Self.timeout + 5 * patience, "\(stuck.result)")
    // Told once, by one rank; the places of all follow.
    #expect(stuck.result.messages.count == 1, "\(stuck.result)")
    let message = stuck.result.messages.first ?? ""
    #expect(message.contains("no progress for") && message.contains(": rank 2 on "), "\(stuck.result)")
    for words in hang.words { #expect(message.contains(words), "\(words)\n\(stuck.result)") }
    #expect(
      text.contains("ranks 0, 1, 3 on ") && text.contains("in step 6, averaging, waiting for others"),
      "\(stuck.result)")
  }

  /// Both sides notice by themselves, and end. Which of mpirun's own ways of ending comes first is its affair.
  @Test(.enabled(if: wantsAllFaults && EmulatedHosts.canBeMade))
  func fault12_aNetworkThatGoesEndsTheJobOnBothHosts() throws {
    let place = try Workplace()
    let hosts = try EmulatedHosts(in: place)
    let run =
      ["train", "digits", "--out", "run", "--hang-timeout", "\(3 * patience)s"]
      + settings(
        "data.samples=3000", "data.testSamples=100", "epochs=100000", "checkpoint.everyEpochs=1000000",
        "metrics.everySteps=5")
    // mpirun itself notices only so that its daemon is gone.
    let keepAlive = ["time", "intvl", "probes"].flatMap {
      ["--mca", "oob_tcp_keepalive_\($0)", $0 == "probes" ? "3" : "1"]
    }
    let job = try hosts.start(["mpirun", "-n", "4"] + keepAlive + ["lockstep"] + run)
    let cut = try place.watch(job) { _ in
      guard ((try? place.metrics("run").count) ?? 0) >= 3 else { return false }
      try hosts.call(["cut", "2"])
      return true
    }
    #expect(cut.result.exitCode != 0, "\(cut.result)")
    #expect(try #require(cut.secondsToEnd) < (3 + 5) * patience, "\(cut.result)")
    let message = cut.result.messages.first ?? ""
    #expect(message.contains("nothing has come from ranks 2, 3, heard of last, in step"), "\(cut.result)")
    #expect(
      cut.result.standardError.contains("rank 2 on \(hosts.name)2")
        || cut.result.standardError.contains("ranks 2, 3 on \(hosts.name)2"))
  }

  /// Slower than the patience as a whole, and always moving.
  @Test func validationAndSlowStepsAreNoHang() throws {
    let place = try Workplace()
    let run =
      ["train", "digits", "--out", "run", "--hang-timeout", "\(patience)s"]
      + settings("data.samples=1500", "epochs=1", "data.testSamples=30000", "model.hidden=[1024, 1024]")
    let slow = try place.run(run, ranks: 2, failpoints: "step:slow:rank=1,times=1000")
    #expect(slow.result.exitCode == 0, "\(slow.result)")
    #expect(slow.failpoints.count == 12)
  }
}
