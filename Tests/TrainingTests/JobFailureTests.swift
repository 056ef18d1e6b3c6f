import Testing
import Training

/// What Open MPI 4.1.4 and our own ranks print.
@Suite struct JobFailureTests {
  private func read(_ text: String) -> JobFailure {
    var (failure, cutter) = (JobFailure(), LineCutter())
    // In pieces, as a pipe gives them.
    var bytes = Array((text + "\n").utf8)[...]
    while !bytes.isEmpty {
      for line in cutter.add(bytes.prefix(7)) { failure.read(line) }
      bytes = bytes.dropFirst(7)
    }
    return failure
  }

  @Test func aKilledRankIsNamedWithItsHostAndSignal() {
    let failure = read(
      """
      Primary job  terminated normally, but 1 process returned
      a non-zero exit code. Per user-direction, the job has been aborted.
      --------------------------------------------------------------------------
      mpirun noticed that process rank 2 with PID 10953 on node nodeb exited on signal 9 (Killed).
      """)
    #expect(failure.rank == 2 && failure.host == "nodeb" && failure.signal == 9)
    #expect(
      LaunchText.failure(failure, exitCode: 137, launcherSignal: nil, seconds: 3.21)
        == "rank 2 on host nodeb was killed by SIGKILL after 3.2 s, exit code 137")
  }

  @Test func aRankThatEndedIsNamedWithItsCode() {
    let failure = read("  Process name: [[18343,1],1]\n  Exit code:    3")
    #expect(failure.rank == 1 && failure.host == nil && failure.exitCode == 3)
  }

  @Test func theFirstRankThatSpeaksIsTheCause() {
    let failure = read(
      """
      lockstep: rank 3 of 4 on node7: the disk is full
      lockstep: rank 1 of 4 on node5: rank 3 is gone
      mpirun noticed that process rank 0 with PID 10953 on node node4 exited on signal 9 (Killed).
      """)
    #expect(failure.rank == 3 && failure.host == "node7")
  }

  @Test func hangingRanksAreNamedByWatchdogs() {
    let failure = read(
      """
      lockstep: hang: rank 2 on host node2.local: no progress for 30 s, at step 12, backward
      lockstep: hang: rank 2 on host node2.local: no progress for 30 s, at step 12, backward
      """)
    #expect(failure.hanging == [.init(rank: 2, host: "node2.local")])
    #expect(
      LaunchText.failure(failure, exitCode: 1, launcherSignal: nil, seconds: nil)
        == "rank 2 on host node2.local hung, exit code 1")
  }

  @Test func severalHangingRanksAreFoundOnTheirHosts() {
    let one = read(
      "lockstep: no progress for 2 s: rank 2 on node7 does not run (stopped), in step 6, averaging")
    #expect(one.hanging == [.init(rank: 2, host: "node7")])
    let several = read(
      """
      lockstep: no progress for 30 s: nothing has come from ranks 2 to 4, 6, heard of last, in step 6, averaging
        ranks 0, 1, 5 on node1: in step 6, averaging, waiting for others
        ranks 2, 3 on node2: in step 6, averaging
        ranks 4, 6 on node3.local: in step 6, averaging
      """)
    #expect(
      several.hanging == [
        .init(rank: 2, host: "node2"), .init(rank: 3, host: "node2"), .init(rank: 4, host: "node3.local"),
        .init(rank: 6, host: "node3.local"),
      ])
    let waiting = read(
      "lockstep: no progress for 30 s: rank 1 on node1 waits for a message that does not come, in")
    #expect(waiting.hanging.isEmpty)
  }

  @Test func lostDaemonsNameTheirHosts() {
    let failure = read("  HNP daemon   : [[8,0],0] on node a\n  Remote daemon: [[8,0],2] on node nodeb")
    #expect(failure.lostHosts == ["nodeb"] && failure.rank == nil)
  }

  @Test func whatMpirunRefusesIsKnown() {
    #expect(
      read("There are not enough slots available in the system to satisfy the 3").refusal
        == "fewer slots than ranks")
    #expect(read("loss 0.3").refusal == nil)
  }

  @Test func anEndlessLineIsCut() {
    var cutter = LineCutter()
    let lines = cutter.add([UInt8](repeating: 97, count: 10_000))
    #expect(lines.map(\.utf8.count) == [4096, 4096])
  }

  @Test func whatComesNextIsSaidInWords() {
    #expect(
      LaunchText.next(progress: .ofRun(newestStep: 20), ranks: 3, seconds: 1, attempt: 1, most: 3)
        == "goes on from step 20 with 3 ranks in 1 s (attempt 1 of 3 without a newer checkpoint)")
    #expect(
      LaunchText.next(progress: .ofRun(newestStep: nil), ranks: 1, seconds: 0.5, attempt: 2, most: 3)
        == "begins again, there being no checkpoint, with 1 rank in 0.5 s (attempt 2 of 3 without a newer checkpoint)"
    )
  }
}
