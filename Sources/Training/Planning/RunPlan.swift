import Autodiff
import Foundation
import MessagePassing
import TensorCore

/// What a run will take before it is begun: memory, time, and what limits it.
///
/// The parts that can be had by doing them are rehearsed on this machine: the passes, the additions and the update of
/// one rank, alone and with as many beside it as will share a machine. What ranks tell each other is computed.
public struct RunPlan: Sendable, Codable {
  public var name: String
  /// Trained values.
  public var parameters: Int
  /// Samples of a step, over all ranks.
  public var batch: Int
  public var shards: Int
  public var ranks: Int
  /// Of each rank.
  public var threads: Int
  public var ranksPerMachine: Int
  public var machines: Int
  /// Of the first rank.
  public var memory: MemoryPlan
  /// Multiplications and additions of a step in products, convolutions, recurrent cells and attention, over all ranks.
  public var floatingPointOperations: Int
  /// The first rank's, with as many others on the machine as there will be.
  public var timing: StepTiming
  /// Seconds that samples keep the rank from computing: where its machine has no processor to spare for them.
  public var waitingForSamples: Double
  public var averaging: AveragingCost
  /// The same step on one rank alone, in seconds.
  public var secondsOnOneRank: Double
  /// What this machine reaches at best.
  public var machine: MachineSpeed
  /// Whether the times were measured; false where the model is too large to be tried here.
  public var isRehearsed: Bool

  /// Seconds of a step.
  public var stepSeconds: Double { timing.computing + waitingForSamples + averaging.seconds }
  public var samplesPerSecond: Double { Double(batch) / stepSeconds }
  /// How many times as fast as one rank alone.
  public var speedup: Double { secondsOnOneRank / stepSeconds }
  /// Of one rank's speed, what each of them reaches.
  public var efficiency: Double { speedup / Double(ranks) }
  /// Bytes that all ranks of a machine will have resident together.
  public var machineMemory: Double {
    let others = Double(ranksPerMachine - 1)
    return memory.total + others * (memory.total - memory.shared)
  }
  /// In 10⁹ a second, over all ranks.
  public var gigaflops: Double { Double(floatingPointOperations) / stepSeconds * 1e-9 }

  /// How it is to be planned.
  public struct Options: Sendable {
    /// nil: as many as there are in this world.
    public var ranks: Int?
    /// nil: there is one machine, unless there is a network.
    public var ranksPerMachine: Int?
    public var network: NetworkFigures?
    /// Of each rank; nil: as configured.
    public var threads: Int?
    /// Seconds for each of the two rehearsals.
    public var seconds = 1.5
    /// Bytes that this process had resident at its start.
    public var residentAtStart = PeakMemory.residentBytes

    public init() {}
  }

  /// Plans a run by a configuration. All ranks call it, and all get the same.
  public static func plan(
    _ configuration: RunConfiguration, name: String, options: Options, in world: World
  ) throws -> RunPlan {
    let ranks = options.ranks ?? world.size
    let data = try RunData.read(configuration, over: world.communicator)
    return try RunPlanner(options: options, world: world).plan {
      try PlanSubject(configuration, data: data, name: name, ranks: ranks)
    }
  }

  /// Plans what `lockstep bench` does. All ranks call it, and all get the same.
  public static func plan(_ workload: Workload, options: Options, in world: World) throws -> RunPlan {
    let ranks = options.ranks ?? world.size
    return try RunPlanner(options: options, world: world).plan {
      try PlanSubject(workload, ranks: ranks, threads: options.threads ?? 1)
    }
  }
}
