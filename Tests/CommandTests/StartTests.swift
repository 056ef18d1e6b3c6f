import DistributedScenarios
import Foundation
import Testing
import Training

/// How a run begins: how soon, and on how many threads.
@Suite(.serialized) struct StartTests {
  /// The seconds in `first step after 0.18 s (0.05 s to start, 0.06 s for the data)`.
  private func start(_ log: String) throws -> [Double] {
    let line = try #require(log.split(separator: "\n").first { $0.contains("first step after ") })
    let text = line[try #require(line.range(of: "first step")).lowerBound...]
    return text.split { !$0.isNumber && $0 != "." }.compactMap { Double($0) }
  }

  @Test(arguments: [nil, 2])
  func aRunSaysHowSoonItTookItsFirstStep(ranks: Int?) throws {
    let place = try Workplace()
    let result = try place.lockstep(smallRun + ["--out", "run"], ranks: ranks)
    let log = try String(contentsOfFile: place.file("run/log.txt"), encoding: .utf8)
    let times = try start(log)
    try #require(times.count == 3, "\(log)")
    // 0.3 s on a quiet machine, besides the data and MPI_Init; the bound leaves room for neighbours and debug builds.
    #expect(times[0] - times[1] - times[2] < 5, "\(times)")
    #expect(times[0] >= times[2] && times[0] < 60, "\(times)")
    #expect(log.components(separatedBy: "first step after").count == 3, "in the log once, and in the summary")
    #expect(result.standardOutput.components(separatedBy: "first step after").count == 2, "\(result)")
  }

  @Test func twoThreadsGiveTheSameBitsAgain() throws {
    let place = try Workplace()
    let small = settings(
      "data.samples=300", "data.testSamples=100", "epochs=1", "batch=64", "shards=1", "checkpoint.keep=2")
    for run in ["a", "b"] {
      let result = try place.lockstep(["train", "lenet", "--threads", "2", "--out", run] + small)
      #expect(result.exitCode == 0 && result.standardOutput.contains("with 2 threads"), "\(result)")
    }
    #expect(try place.digests("a", step: 5) == place.digests("b", step: 5))
    let configuration = try String(contentsOfFile: place.file("a/config.yaml"), encoding: .utf8)
    #expect(configuration.contains("threads: 2\n"))
    // The same option sets the threads of what uses the model; the answers agree.
    let one = try place.lockstep(["evaluate", "a", "--threads", "1"])
    let two = try place.lockstep(["evaluate", "a", "--threads", "2"])
    #expect(one.exitCode == 0 && two.exitCode == 0 && !one.standardOutput.isEmpty, "\(one) \(two)")
    #expect(one.standardOutput.split(separator: "\n")[0] == two.standardOutput.split(separator: "\n")[0])
    for wrong in [
      ["train", "lenet", "--threads", "0"], ["evaluate", "a", "--threads", "0"],
      ["predict", "a", "digits", "--threads", "2000"], ["plan", "lenet", "--threads", "-1"],
    ] {
      let result = try place.lockstep(wrong)
      #expect(result.exitCode == 2, "\(result)")
    }
  }
}
