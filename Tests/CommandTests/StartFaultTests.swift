// What is wrong between the ranks before the first step, numbered as the faults in Architecture.md.

import DistributedScenarios
import Foundation
import Testing

@Suite(.serialized) struct StartFaultTests {
  private static let options = ["--oversubscribe", "--bind-to", "none", "--allow-run-as-root"]

  /// Runs two ranks whose command lines differ, and checks what every refusal has in common; returns its message.
  private func refusal(
    _ place: Workplace, _ first: [String], _ second: [String], environment: [String: String] = [:]
  ) throws -> String {
    let result = try Program.run(
      executable: "mpirun", arguments: Self.options + ["-np", "1"] + first + [":", "-np", "1"] + second,
      environment: environment, directory: place.path)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.tookLess(than: 15), "\(result)")
    #expect(result.messages.count == 1, "\(result)")
    #expect(!FileManager.default.fileExists(atPath: place.file("run")), "\(result)")
    return result.messages.first ?? ""
  }

  @Test("Fault 13: ranks with other data are refused")
  func ranksWithOtherDataAreRefused() throws {
    let place = try Workplace()
    for (folder, seed) in [("here/data", 0), ("there/data", 1)] as [(String, UInt64)] {
      try place.writeDigits(to: folder, training: 300, test: 100, seed: seed)
    }
    let train =
      [
        try Program.path(of: "lockstep"), "train", "mnist", "--out", place.file("run"),
      ] + settings("data.path=data", "epochs=1")
    // Without memory in common each rank reads for itself, as the first one of each machine does.
    let message = try refusal(
      place, ["--wdir", place.file("here")] + train, ["--wdir", place.file("there")] + train,
      environment: ["LOCKSTEP_FAILPOINTS": "data.share:error"])
    #expect(message.contains("data differs: rank 0 has"), "\(message)")
    #expect(message.contains("rank 1 has") && !message.contains("setting"), "\(message)")
  }

  @Test("Fault 14: ranks with different programs are refused")
  func ranksWithDifferentProgramsAreRefused() throws {
    let place = try Workplace()
    let program = try Program.path(of: "lockstep")
    let copy = try place.writeOtherLockstep()
    let train = smallRun + ["--out", "run"]
    let message = try refusal(place, [program] + train, [copy] + train)
    #expect(message.contains("program differs: rank 0 has"), "\(message)")
    #expect(!message.contains("setting") && !message.contains("data differs"), "\(message)")
  }
}
