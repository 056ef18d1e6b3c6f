import Autodiff
import Foundation
import MessagePassing
import Synchronization
import TensorCore

/// Makes a plan: reads the data, rehearses, and puts the parts together.
struct RunPlanner {
  let options: RunPlan.Options
  let world: World

  private var communicator: any Communicator { world.communicator }

  /// A rehearsal that would need more of this machine's memory, or more seconds a shard, is left out.
  private static let (mostMemory, mostSeconds) = (0.5, 10.0)

  func plan(_ makeSubject: () throws -> PlanSubject) throws -> RunPlan {
    let subject = try together(communicator, makeSubject)
    let machines = ranksOnMachines(subject)
    ComputeLibrary.setThreads(subject.threads)
    let residentWithData = PeakMemory.residentBytes
    let machine = try MachineSpeed.measure(over: communicator)

    var memory = try MemoryPlan(subject)
    memory.data = max(residentWithData - options.residentAtStart, 0)
    memory.shared =
      (subject.sharesData && subject.averaging != .ordered ? memory.data : 0)
      + (subject.averaging == .shared ? memory.parameters : 0)
    let plan = try subject.objective.trainingPlan(batch: largestShard(subject))
    let isRehearsed = canRehearse(subject, plan, memory, machine)
    let alone: StepTiming
    let timing: StepTiming
    var kept = 0.0
    if isRehearsed {
      (alone, kept) = try rehearseAlone(subject, residentBefore: residentWithData)
      timing = try subject.ranks == 1 ? alone : rehearseTogether(subject, machines)
    } else {
      (alone, timing) = (
        StepTiming(estimateOf: subject.onOneRank, machine.oneRank),
        StepTiming(estimateOf: subject, machine.eachOfAll)
      )
    }
    memory.program =
      options.residentAtStart + kept
      + (subject.ranks > 1 && !world.isDistributed ? MemoryPlan.messagePassing : 0)
    let cost = AveragingCost(
      subject, on: machines, inside: Self.inside(machine), network: options.network ?? Self.noNetwork)
    let agreed = try agreeOn(Measured(timing: timing, alone: alone, memory: memory))
    return RunPlan(
      name: subject.name, parameters: subject.objective.layout.parameterCount, batch: subject.batch,
      shards: subject.shards.count, ranks: subject.ranks, threads: subject.threads,
      ranksPerMachine: min(machines.perMachine, subject.ranks), machines: machines.machines,
      memory: agreed.memory, floatingPointOperations: try operations(subject),
      timing: agreed.timing,
      waitingForSamples: waiting(
        agreed.timing, ranks: min(machines.perMachine, subject.ranks), threads: subject.threads),
      averaging: cost,
      secondsOnOneRank: agreed.alone.computing + waiting(agreed.alone, ranks: 1, threads: subject.threads),
      machine: machine, isRehearsed: isRehearsed)
  }

  // MARK: - Where ranks are

  /// Processors that this process may use; a launcher binds each rank, and then all count.
  private var processors: Int {
    world.isDistributed ? UsableProcessors.ofMachine : UsableProcessors.ofProcess
  }

  private func ranksOnMachines(_ subject: PlanSubject) -> RanksOnMachines {
    let fitting = options.network == nil ? subject.ranks : max(1, processors / subject.threads)
    return RanksOnMachines(
      ranks: subject.ranks, perMachine: min(options.ranksPerMachine ?? fitting, subject.ranks))
  }

  private static let noNetwork = NetworkFigures(latencySeconds: 0, bytesPerSecond: .infinity)

  /// Messages between ranks of a machine are copied into shared memory and out of it again.
  private static func inside(_ machine: MachineSpeed) -> NetworkFigures {
    NetworkFigures(
      latencySeconds: 1e-6, bytesPerSecond: machine.oneRank.memoryGigabytesPerSecond * 1e9 / 4)
  }

  /// The seconds of a step in which samples take processor time from the rank's own work.
  private func waiting(_ timing: StepTiming, ranks: Int, threads: Int) -> Double {
    let spare = Double(max(0, processors - ranks * threads)) / Double(ranks)
    return max(0, timing.gathering - spare * timing.computing)
  }

  // MARK: - Rehearsing

  private func largestShard(_ subject: PlanSubject) -> Int {
    subject.shards.ranges(ofBatch: subject.batch).map(\.count).max() ?? subject.batch
  }

  private func operations(_ subject: PlanSubject) throws -> Int {
    let sizes = subject.shards.ranges(ofBatch: subject.batch).map(\.count)
    return try Set(sizes).reduce(0) { sum, size in
      guard size > 0 else { return sum }
      return sum + sizes.count { $0 == size }
        * (try subject.objective.trainingPlan(batch: size).floatingPointOperations)
    }
  }

  private func canRehearse(
    _ subject: PlanSubject, _ plan: Plan, _ memory: MemoryPlan, _ machine: MachineSpeed
  ) -> Bool {
    let needed = memory.total * Double(concurrentRanks(subject, ranksOnMachines(subject)) + 1)
    let seconds = Double(plan.floatingPointOperations) / (machine.oneRank.matrixGigaflops * 0.5e9)
    return needed < Self.mostMemory * Double(ProcessInfo.processInfo.physicalMemory)
      && seconds < Self.mostSeconds
  }

  /// The timing of one rank that has the machine to itself and does everything, and what the libraries kept.
  private func rehearseAlone(
    _ subject: PlanSubject, residentBefore before: Double
  ) throws -> (StepTiming, kept: Double) {
    var result = (StepTiming(), kept: 0.0)
    if communicator.rank == communicator.machine.ranks.first {
      let rehearsal = try StepRehearsal(subject.onOneRank)
      result.0 = rehearsal.run(seconds: options.seconds)
      result.kept = max(0, PeakMemory.residentBytes - before - Double(rehearsal.byteCount))
    }
    try communicator.barrier()
    return result
  }

  /// Ranks that can be tried at the same time on this machine.
  private func concurrentRanks(_ subject: PlanSubject, _ machines: RanksOnMachines) -> Int {
    max(1, min(machines.perMachine, processors / subject.threads))
  }

  /// A rank's timing beside as many others as will share its machine: the ranks of this world, or threads.
  private func rehearseTogether(_ subject: PlanSubject, _ machines: RanksOnMachines) throws -> StepTiming {
    var timings: [StepTiming]
    let count: Int
    if world.isDistributed, world.size > 1 {
      let rehearsal = try StepRehearsal(subject)
      try communicator.barrier()
      timings = [rehearsal.run(seconds: options.seconds)]
      count = communicator.machine.ranks.count
      try communicator.barrier()
    } else {
      count = concurrentRanks(subject, machines)
      let collected = Mutex<[StepTiming]>([])
      let seconds = options.seconds
      try InProcessWorld.run(ranks: count) { communicator in
        ComputeLibrary.setThreads(subject.threads)
        let rehearsal = try StepRehearsal(subject)
        try communicator.barrier()
        let timing = rehearsal.run(seconds: seconds)
        collected.withLock { $0.append(timing) }
        try communicator.barrier()
      }
      timings = collected.withLock { $0 }
    }
    // More ranks than processors take turns.
    let crowd = Double(min(machines.perMachine, subject.ranks)) / Double(count)
    return StepTiming.mean(timings).scaled(by: world.isDistributed ? 1 : max(1, crowd))
  }

  // MARK: - Agreeing

  private struct Measured: Codable {
    var timing: StepTiming
    var alone: StepTiming
    var memory: MemoryPlan
  }

  /// The mean of what the ranks met, with the first one's memory.
  private func agreeOn(_ mine: Measured) throws -> Measured {
    guard world.size > 1 else { return mine }
    let all = try communicator.allgather(bytes: Array(JSONEncoder().encode(mine)))
      .map { try JSONDecoder().decode(Measured.self, from: Data($0)) }
    return Measured(timing: .mean(all.map(\.timing)), alone: all[0].alone, memory: all[0].memory)
  }
}

extension MachineSpeed {
  /// Of all ranks at once, what each has.
  var eachOfAll: Rates {
    let count = Double(ranks)
    return Rates(
      matrixGigaflops: allRanks.matrixGigaflops / count,
      memoryGigabytesPerSecond: allRanks.memoryGigabytesPerSecond / count,
      cacheGigabytesPerSecond: allRanks.cacheGigabytesPerSecond / count)
  }
}
