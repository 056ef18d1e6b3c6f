import ArgumentParser
import Foundation
import Lockstep

struct BenchCommand: ParsableCommand {
  /// The parts of a step that are also measured alone.
  private static let parts = ["averaging", "loader"]
  private static let names = Workload.all.map(\.name) + parts
  /// Steps of each model that a trace shows.
  private static let tracedSteps = 5

  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps of benchmark models, and parts of a step alone.",
    discussion: """
      Models: \(Workload.all.map(\.name).joined(separator: ", ")), on random samples through the loader. Each rank \
      takes the model's batch. Start it under mpirun for several ranks.

      averaging  averaging and Adam's update over 2^14 to 2^24 parameters, against MPI_Allreduce followed by the \
      same update on every rank
      loader     samples that the loader prepares in a second

      GFLOP/s count the multiplications and additions of matrix products, convolutions, recurrent cells and \
      attention, forward and backward, over all ranks. GB/s count operands and results once: more than the memory \
      gives is what the caches gave. Memory is that of the rank that has most resident; what ranks share counts at each.
      """)

  @Argument(help: "Benchmark models, averaging, loader; left out: all of them.")
  var names: [String] = []

  @Option(help: "Seconds for each model; a part alone takes twice as long.")
  var seconds = 5.0

  @Option(help: "Threads of each rank.")
  var threads = 1

  @Flag(help: "One JSON object a line instead of tables.")
  var json = false

  @Flag(help: "Also what the time of a step goes to, instruction by instruction; in JSON by kind.")
  var profile = false

  @Option(
    name: .customLong("trace"),
    help: "Writes some steps of each model to this file, as a Chrome trace (chrome://tracing, Perfetto).")
  var trace: String?

  func validate() throws {
    if !(seconds > 0 && seconds <= 86_400) {
      throw ValidationError("--seconds must be above 0, is \(seconds)")
    }
    if !(1...1024 ~= threads) { throw ValidationError("--threads must be 1 to 1024, is \(threads)") }
    for name in names where !Self.names.contains(name) {
      throw ValidationError(
        "There is no benchmark \(name); there are: \(Self.names.joined(separator: ", "))")
    }
  }

  func run() throws {
    Ending.distributed { world in
      let print = BenchmarkPrinter(isJSON: json, isFirstRank: world.rank == 0)
      ComputeLibrary.setThreads(threads)
      let speed = try MachineSpeed.measure(over: world.communicator)
      print.begin(speed, ranks: world.size, threads: threads)
      let trace = try makeTrace(world)

      for workload in Workload.all where isWanted(workload.name) {
        let measured = try workload.measure(options, speed: speed, in: world)
        print.model(measured, ceiling: speed.ofOneAmongAll, wantsProfile: profile)
        try trace?.add(measured.profile, of: workload.name)
      }
      try Ending.agreed(Ending.failed) { if let path = self.trace { try trace?.write(to: path) } }
      if isWanted("averaging") {
        for size in AveragingBenchmark.sizes {
          let benchmark = try AveragingBenchmark(parameters: size, over: world.communicator)
          let share = 2 * seconds / Double(AveragingBenchmark.sizes.count)
          for record in try benchmark.measure(seconds: share) { print.averaging(record) }
        }
      }
      if isWanted("loader") {
        for kind in LoaderBenchmark.all {
          let share = 2 * seconds / Double(LoaderBenchmark.all.count)
          print.loader(try kind.measure(seconds: share, over: world.communicator))
        }
      }
      return Ending.done
    }
  }

  private func isWanted(_ name: String) -> Bool { names.isEmpty || names.contains(name) }

  private var options: BenchmarkOptions {
    var options = BenchmarkOptions()
    options.seconds = seconds
    options.threads = threads
    options.profiles = profile
    options.tracedSteps = trace == nil ? 0 : Self.tracedSteps
    return options
  }

  /// The file is tried before anything is measured.
  private func makeTrace(_ world: World) throws -> StepTrace? {
    guard let path = trace else { return nil }
    let trace = try StepTrace(over: world.communicator)
    try Ending.agreed(Ending.wrongUsage) {
      try together(world.communicator) { try trace.write(to: path) }
    }
    return trace
  }
}
