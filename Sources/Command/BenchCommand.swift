import ArgumentParser
import Foundation
import Lockstep

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps of a benchmark model.",
    discussion: "Models: \(Workload.all.map(\.name).joined(separator: ", ")). One thread to a rank.")

  @Argument(help: "Benchmark models; left out: all of them.")
  var workloads: [String] = []

  @Option(help: "Seconds for each model.")
  var seconds = 5.0

  @Flag(help: "One JSON object a line instead of a table.")
  var json = false

  @Flag(help: "Also the time of every instruction of a step.")
  var profile = false

  func validate() throws {
    if !(seconds > 0 && seconds <= 86_400) {
      throw ValidationError("--seconds must be above 0, is \(seconds)")
    }
    for name in workloads where !Workload.all.contains(where: { $0.name == name }) {
      throw ValidationError(
        "There is no benchmark model \(name); there are: \(Workload.all.map(\.name).joined(separator: ", "))")
    }
  }

  func run() throws {
    Ending.distributed { world in
      for workload in Workload.all where workloads.isEmpty || workloads.contains(workload.name) {
        let result = try workload.measure(seconds: seconds, profiles: profile, in: world)
        guard world.rank == 0 else { continue }
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = .sortedKeys
          print(String(decoding: try encoder.encode(result), as: UTF8.self))
        } else {
          let time = result.stepMilliseconds
          print(
            String(
              format: "%@  ranks %d  %.0f samples/s  %.3f ms a step (%.3f to %.3f)  %.1f GFLOP/s  %.0f MiB",
              result.workload.padding(toLength: 10, withPad: " ", startingAt: 0), result.ranks,
              result.samplesPerSecond, time.median, time.p10, time.p90, result.gigaflops, result.peakMemoryMiB
            ))
        }
      }
      return Ending.done
    }
  }
}
