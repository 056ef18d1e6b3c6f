import Foundation
import Lockstep

/// Prints what was measured, on rank 0: as tables for people, or an object a line.
final class BenchmarkPrinter {
  private let isJSON: Bool
  private let isFirstRank: Bool
  /// The heading under which the last line was printed.
  private var heading = ""

  init(isJSON: Bool, isFirstRank: Bool) {
    self.isJSON = isJSON
    self.isFirstRank = isFirstRank
  }

  func begin(_ speed: MachineSpeed, ranks: Int, threads: Int) {
    guard isFirstRank, !isJSON else { return }
    let one = speed.ofOneAmongAll
    let who =
      "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(threads) \(threads == 1 ? "thread" : "threads") each"
    print(
      String(
        format: "%@. Measured here, a rank: %.0f GFLOP/s in a large matrix product, %.1f GB/s from memory.",
        who, one.matrixGigaflops, one.memoryGigabytesPerSecond))
  }

  func model(_ measured: WorkloadMeasurement, ceiling: MachineSpeed.Rates, wantsProfile: Bool) {
    let record = measured.record
    line(
      record, under: "model        samples/s       ms a step (p10 to p90)  GFLOP/s  of peak loader     MiB"
    ) {
      let time = record.stepMilliseconds
      let digits = time.median < 100 ? 3 : 1
      let spread = String(
        format: "%.*f (%.*f to %.*f)", digits, time.median, digits, time.p10, digits, time.p90)
      return Self.left(record.workload, 10) + Self.right(NumberText.rate(record.samplesPerSecond), 12)
        + Self.right(spread, 29)
        + String(
          format: "%9.1f %6.0f %% %5.1f %% %7.0f", record.gigaflops, 100 * (record.fractionOfPeak ?? 0),
          100 * (record.loaderShare ?? 0), record.peakMemoryMiB)
    }
    guard isFirstRank, !isJSON, wantsProfile else { return }
    guard let table = measured.table else {
      print("\(record.workload) has no profile: its shards depend on each other.")
      return
    }
    print("\n\(table.text(ceiling: ceiling))\n")
    heading = ""
  }

  func averaging(_ record: BenchmarkRecord) {
    line(
      record,
      under: "averaging    parameters   ms a step   MPI_Allreduce + update  times as fast (p10 to p90)"
    ) {
      let ratio = record.ratio
      return Self.left(record.strategy ?? "", 10)
        + Self.right(NumberText.grouped(Double(record.parameters ?? 0)), 13)
        + String(
          format: "%12.4f %24.4f %14.2f (%.2f to %.2f)", record.stepMilliseconds.median,
          record.allreduceMilliseconds?.median ?? 0, ratio?.median ?? 0, ratio?.p10 ?? 0, ratio?.p90 ?? 0)
    }
  }

  func loader(_ record: BenchmarkRecord) {
    line(record, under: "loader: input                                        samples/s   ms a batch") {
      Self.left(record.input ?? "", 48) + Self.right(NumberText.rate(record.samplesPerSecond), 14)
        + String(format: "%13.4f", record.stepMilliseconds.median)
    }
  }

  private func line(_ record: BenchmarkRecord, under heading: String, _ text: () -> String) {
    guard isFirstRank else { return }
    if isJSON {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      if let data = try? encoder.encode(record) { print(String(decoding: data, as: UTF8.self)) }
    } else {
      if heading != self.heading {
        print("\n" + heading)
        self.heading = heading
      }
      print(text())
    }
    // A run of minutes is followed line by line, into a pipe too.
    fflush(nil)
  }

  private static func left(_ text: String, _ width: Int) -> String { text + blanks(width - text.count) }

  private static func right(_ text: String, _ width: Int) -> String { blanks(width - text.count) + text }

  private static func blanks(_ count: Int) -> String { String(repeating: " ", count: max(count, 0)) }
}
