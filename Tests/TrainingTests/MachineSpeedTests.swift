import Foundation
import MessagePassing
import Synchronization
import TensorCore
import Testing
import Training

@Suite(.serialized) struct MachineSpeedTests {
  @Test func `a machine's speed is measured within a second, in figures that can be`() throws {
    ComputeLibrary.setThreads(1)
    let begin = Self.processorSeconds
    let speed = MachineSpeed.measure()
    // Of this thread's own time: neighbours may make it wait.
    #expect(Self.processorSeconds - begin < 2)
    #expect(speed.ranks == 1 && speed.allRanks == speed.oneRank)
    // No processor of today is below the first or above the second.
    #expect((0.5...5_000).contains(speed.oneRank.matrixGigaflops))
    #expect((0.2...1_000).contains(speed.oneRank.memoryGigabytesPerSecond))
    #expect((0.2...5_000).contains(speed.oneRank.cacheGigabytesPerSecond))
    let copy = try JSONDecoder().decode(MachineSpeed.self, from: JSONEncoder().encode(speed))
    #expect(copy == speed)
  }

  private static var processorSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  @Test func `the ranks of a machine get one sum, and count no rank of another machine`() throws {
    let collected = Mutex<[Int: MachineSpeed]>([:])
    try InProcessWorld.run(ranks: 3, ranksPerMachine: 2) { communicator in
      ComputeLibrary.setThreads(1)
      let speed = try MachineSpeed.measure(over: communicator)
      collected.withLock { $0[communicator.rank] = speed }
    }
    let speeds = collected.withLock { $0 }
    #expect(speeds[0] == speeds[1])
    #expect(speeds[0] != speeds[2])
    #expect(speeds[0]?.ranks == 2 && speeds[2]?.ranks == 1)
    #expect(speeds[2].map { $0.allRanks.matrixGigaflops > 0 } == true)
  }
}
