import ArgumentParser
import Foundation
import Lockstep

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says before a run how much memory and time it will take, and what limits it.",
    discussion: """
      CONFIG is a YAML file, a preset, or workload:NAME for a model of lockstep bench \
      (\(Workload.all.map(\.name).joined(separator: ", "))).
      Passes and updates are rehearsed on this machine for some seconds, alone and with as many ranks at once as it \
      has processors for; under mpirun with the ranks that were started. What travels between ranks is computed: \
      inside a machine from the speed of its memory, between machines from --network.
      """)

  @Argument(help: "A YAML file, a preset or workload:NAME.")
  var config: String

  @Option(help: "Ranks of the run; left out: those that were started, else 1.")
  var ranks: Int?

  @Option(help: "What the network between machines can do: latency,bandwidth, as \(NetworkFigures.example).")
  var network: String?

  @Option(
    help:
      "Ranks on each machine; left out: all, or with --network as many as this machine has processors for.")
  var perMachine: Int?

  @Option(help: "Threads of each rank.")
  var threads: Int?

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Sets one value of the configuration, as batch=256; may be repeated.")
  var overrides: [String] = []

  @Flag(help: "Prints one JSON object.")
  var json = false

  private static let workloadPrefix = "workload:"

  func validate() throws {
    for (name, value) in [("ranks", ranks), ("per-machine", perMachine)] {
      if let value, value < 1 { throw ValidationError("--\(name) must be at least 1, is \(value)") }
    }
    try ThreadsOption.check(threads)
    if config.hasPrefix(Self.workloadPrefix), !overrides.isEmpty {
      throw ValidationError("--set changes configurations; a workload has none")
    }
  }

  func run() throws {
    Ending.distributed { world in
      let plan = try Ending.agreed(Ending.wrongUsage) { try makePlan(in: world) }
      guard world.rank == 0 else { return Ending.done }
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(plan.report), as: UTF8.self))
      } else {
        print(plan.text)
      }
      return Ending.done
    }
  }

  private func makePlan(in world: World) throws -> RunPlan {
    var options = RunPlan.Options()
    (options.ranks, options.ranksPerMachine, options.threads) = (ranks, perMachine, threads)
    options.network = try network.map { text throws(TrainingError) in try NetworkFigures(text) }
    if config.hasPrefix(Self.workloadPrefix) {
      return try .plan(
        Workload.named(String(config.dropFirst(Self.workloadPrefix.count))), options: options, in: world)
    }
    let configuration = try together(world.communicator) {
      try RunConfiguration.load(config, overrides: overrides + ThreadsOption.overrides(threads))
    }
    return try .plan(configuration, name: config, options: options, in: world)
  }
}
