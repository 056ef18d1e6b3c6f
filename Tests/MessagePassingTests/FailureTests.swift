import DistributedScenarios
import Foundation
import MessagePassing
import Testing

/// What becomes of a job over MPI when one rank goes wrong, and that tests leave nothing behind.
@Suite(.serialized) struct FailureTests {
  /// The Open MPI start and end are in it; the promise is 5 seconds from the failure.
  private static let soon = 5.0

  private func run(_ failure: String, rank: Int, of ranks: Int) throws -> ProgramResult {
    try MPIRun.run(
      ranks: ranks, executable: "distributed-runner", arguments: [failure, "\(rank)"], timeout: 30)
  }

  @Test(arguments: [0, 2]) func aRankThatThrowsEndsAllAndIsHeardOnce(rank: Int) throws {
    let result = try run("throw", rank: rank, of: 3)
    #expect(result.exitCode == 1)
    #expect(result.tookLess(than: Self.soon))
    let lines = result.standardError.split(separator: "\n").filter { $0.contains("step 20 cannot be taken") }
    try #require(lines.count == 1, "\(result)")
    #expect(lines[0].hasPrefix("lockstep: rank \(rank) of 3 on "))
    #expect(lines[0].hasSuffix(": step 20 cannot be taken"))
  }

  @Test(arguments: [0, 2]) func aRankThatThrowsInTheMiddleOfAPassEndsAll(rank: Int) throws {
    let result = try run("throw-in-pass", rank: rank, of: 3)
    #expect(result.exitCode == 1)
    #expect(result.tookLess(than: Self.soon))
    let lines = result.standardError.split(separator: "\n").filter { $0.contains("segment 20 cannot") }
    #expect(lines.count == 1, "\(result)")
  }

  @Test func aRankThatAbortsInAPartEndsTheOtherPartsTooAndSaysItsNumberInTheJob() throws {
    let result = try run("throw-in-part", rank: 2, of: 3)
    #expect(result.exitCode == 1)
    #expect(result.tookLess(than: Self.soon))
    let lines = result.standardError.split(separator: "\n").filter { $0.contains("step 20 cannot be taken") }
    try #require(lines.count == 1, "\(result)")
    #expect(lines[0].hasPrefix("lockstep: rank 2 of 3 on "))
  }

  @Test(arguments: [0, 1]) func aRankThatIsKilledEndsAll(rank: Int) throws {
    let result = try run("kill", rank: rank, of: 3)
    #expect(result.exitCode == 137, "\(result)")
    #expect(result.tookLess(than: Self.soon))
  }

  @Test func aRankThatEndsWithoutLeavingEndsAll() throws {
    let result = try run("exit", rank: 1, of: 2)
    #expect(result.exitCode != 0, "\(result)")
    #expect(result.tookLess(than: Self.soon))
  }

  @Test func aMessageThatIsTooLongIsALengthError() throws {
    let result = try run("long-message", rank: 1, of: 2)
    #expect(result.exitCode == 1)
    #expect(result.standardError.contains("rank 1 of 2"), "\(result)")
    #expect(result.standardError.contains("message truncated"), "\(result)")
    #expect(result.standardError.contains("different lengths"), "\(result)")
  }

  @Test func aMessageThatIsTooShortIsALengthError() throws {
    let result = try run("short-message", rank: 0, of: 2)
    #expect(result.exitCode == 1)
    #expect(
      result.standardError.contains("from rank 1 to rank 0: expected 100 floats, found 50"), "\(result)")
  }

  @Test func aRunThatTakesTooLongIsEndedWithAllItsRanks() throws {
    let run = try MPIRun.start(ranks: 3, executable: "distributed-runner", arguments: ["sleep"])
    let end = Date(timeIntervalSinceNow: 20 * patience)
    while !run.standardOutput.contains("asleep") && Date() < end {
      usleep(10_000)
    }
    let processes = run.descendants()
    #expect(processes.count == 3, "\(run.standardError)")
    #expect(throws: ProgramError.self) { try run.wait(timeout: 0.1) }
    for process in processes { #expect(!Program.isRunning(process), "process \(process) is left") }
  }

  @Test func aProgramThatIsMissingIsAnErrorThatNamesIt() throws {
    let error = try #require(throws: ProgramError.self) {
      try MPIRun.run(ranks: 1, executable: "no-such-program")
    }
    #expect(error.description.contains("no-such-program"))
  }
}
