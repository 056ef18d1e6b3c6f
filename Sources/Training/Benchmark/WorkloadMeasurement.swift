import Autodiff
import Datasets
import Foundation
import Layers
import MessagePassing
import TensorCore

/// One benchmark model, measured on all ranks.
package struct WorkloadMeasurement {
  package let record: BenchmarkRecord
  /// Of this rank, where it was asked for.
  package let table: ProfileTable?
  /// Of this rank, where it was asked for.
  package let profile: StepProfile?
}

extension Workload {
  /// Trains on random samples through the same trainer as any other, the loader included. Every rank calls it; the
  /// figures are those of all ranks together, the same everywhere but for the profile.
  ///
  /// - Parameter speed: what the machine can do, for fractions of it.
  package func measure(
    _ options: BenchmarkOptions, speed: MachineSpeed, in world: World
  ) throws -> WorkloadMeasurement {
    PeakMemory.restart()
    let communicator = world.communicator
    let batch = batchPerRank * world.size
    let trainer = try Trainer(
      model, loss: .crossEntropy, optimizer: optimizer, data: noise(count: 8 * batch), batch: batch,
      shards: world.size, threads: options.threads, in: world)
    let count = try warmUp(trainer, seconds: options.seconds, communicator)

    var profile: StepProfile?
    var times: [Double] = []
    times.reserveCapacity(count)
    // The first step waits for the loader's thread to begin, and only sets the clocks.
    var (begin, last, waited) = (UInt64(0), UInt64(0), UInt64(0))
    _ = try trainer.fit(untilStep: trainer.step + count + 1) { _ in
      let now = MonotonicTime.nanoseconds
      if last == 0 {
        (begin, waited) = (now, trainer.time.nanoseconds(.data))
        if options.profiles || options.tracedSteps > 0 {
          profile = trainer.startProfile(shardLength: batchPerRank, keptSteps: options.tracedSteps)
        }
      } else {
        times.append(Double(now &- last) * 1e-6)
      }
      last = now
    }
    let loaderShare = Double(trainer.time.nanoseconds(.data) &- waited) / Double(max(last &- begin, 1))

    let plan = try trainer.objective.trainingPlan(batch: batchPerRank)
    let milliseconds = BenchmarkRecord.Spread(times)
    let worst = try communicator.largest([PeakMemory.mebibytes, loaderShare])
    var record = BenchmarkRecord(
      workload: name, ranks: world.size, samplesPerSecond: Double(batch) / milliseconds.median * 1e3,
      stepMilliseconds: milliseconds, peakMemoryMiB: worst[0])
    record.gigaflops = Double(plan.floatingPointOperations * world.size) / milliseconds.median * 1e-6
    record.fractionOfPeak = record.gigaflops / (Double(world.size) * speed.ofOneAmongAll.matrixGigaflops)
    record.loaderShare = worst[1]
    record.threads = options.threads
    let table = profile.map { ProfileTable($0, updateBytes: trainer.synchronized.state.bytesOfUpdate) }
    if options.profiles { record.profile = table?.parts }
    return WorkloadMeasurement(record: record, table: options.profiles ? table : nil, profile: profile)
  }

  /// Trains until steps are as fast as they get, and returns how many fit into the time: the same on every rank.
  private func warmUp(
    _ trainer: Trainer, seconds: Double, _ communicator: any Communicator
  ) throws -> Int {
    _ = try trainer.fit(untilStep: 1) { _ in }
    var probe = 1
    while true {
      let begin = MonotonicTime.seconds
      _ = try trainer.fit(untilStep: trainer.step + probe) { _ in }
      let elapsed = try communicator.largest(MonotonicTime.seconds - begin)
      if elapsed >= 0.05 * seconds { return min(max(Int(Double(probe) * seconds / elapsed), 5), 1_000_000) }
      probe *= 4
    }
  }
}

extension MachineSpeed {
  /// What each rank has while all work: its part of what they reach together.
  package var ofOneAmongAll: Rates {
    let share = 1 / Double(ranks)
    return Rates(
      matrixGigaflops: allRanks.matrixGigaflops * share,
      memoryGigabytesPerSecond: allRanks.memoryGigabytesPerSecond * share,
      cacheGigabytesPerSecond: allRanks.cacheGigabytesPerSecond * share)
  }
}
