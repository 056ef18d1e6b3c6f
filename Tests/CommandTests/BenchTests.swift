import DistributedScenarios
import Foundation
import Testing
import Training

/// What `lockstep bench` prints and writes.
@Suite(.serialized) struct BenchTests {
  private func objects(_ result: ProgramResult) throws -> [[String: Any]] {
    #expect(result.exitCode == 0, "\(result)")
    return try result.standardOutput.split(whereSeparator: \.isNewline).map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func spread(_ value: Any?) throws -> (p10: Double, median: Double, p90: Double) {
    let spread = try #require(value as? [String: Double])
    let (p10, median, p90) = (spread["p10"] ?? 0, spread["median"] ?? 0, spread["p90"] ?? 0)
    #expect(Set(spread.keys) == ["p10", "median", "p90"] && p10 > 0 && p10 <= median && median <= p90)
    return (p10, median, p90)
  }

  private static let keys: Set = [
    "workload", "ranks", "samplesPerSecond", "stepMilliseconds", "gigaflops", "peakMemoryMiB",
  ]

  @Test func aModelIsALineOfJSON() throws {
    let arguments = ["bench", "mlp-small", "--seconds", "0.2", "--json"]
    let lines = try objects(Workplace().lockstep(arguments, ranks: 2))
    #expect(lines.count == 1)
    let line = try #require(lines.first)
    #expect(Set(line.keys) == Self.keys.union(["threads", "fractionOfPeak", "loaderShare"]))
    #expect(line["workload"] as? String == "mlp-small" && line["ranks"] as? Int == 2)
    let median = try spread(line["stepMilliseconds"]).median
    let rate = try #require(line["samplesPerSecond"] as? Double)
    #expect(abs(rate * median / 1000 - 128) < 0.01)
    // Products of a layer: forward, the weights' gradient and, but for the first layer, the input's; on two ranks.
    let products: Int = 2 * 784 * 128 + 3 * 128 * 10
    let operations = Double(2 * 2 * 64 * products)
    let gigaflops: Double = try #require(line["gigaflops"] as? Double)
    let counted: Double = gigaflops * median * 1e6
    #expect(abs(counted / operations - 1) < 1e-9)
    let share = try #require(line["loaderShare"] as? Double)
    let fraction = try #require(line["fractionOfPeak"] as? Double)
    #expect(0...1 ~= share && fraction > 0 && fraction < 2)
    let memory = try #require(line["peakMemoryMiB"] as? Double)
    #expect(memory > 5 && memory < 1000)
  }

  @Test func partsAreMeasuredAlone() throws {
    let arguments = ["bench", "loader", "--seconds", "0.1", "--json"]
    let lines = try objects(Workplace().lockstep(arguments))
    #expect(Set(lines.compactMap { $0["input"] as? String }).count == lines.count && lines.count >= 7)
    for line in lines {
      #expect(Set(line.keys) == Self.keys.union(["input"]) && line["workload"] as? String == "loader")
      _ = try spread(line["stepMilliseconds"])
      #expect(line["samplesPerSecond"] as? Double ?? 0 > 0, "\(line)")
    }
  }

  @Test func aProfileTellsWhatTheWholeStepGoesTo() throws {
    let place = try Workplace()
    let arguments = ["bench", "mlp-small", "--seconds", "0.2", "--profile"]
    let line = try #require(try objects(place.lockstep(arguments + ["--json"])).first)
    let parts = try #require(line["profile"] as? [[String: Any]])
    let shares = parts.compactMap { $0["share"] as? Double }
    #expect(shares.count == parts.count && shares.allSatisfy { 0...1 ~= $0 })
    #expect(abs(shares.reduce(0, +) - 1) < 1e-9)
    let names = Set(parts.compactMap { $0["part"] as? String })
    #expect(
      names.isSuperset(of: [
        "matrix products", "losses", "averaging", "update", "waiting for the loader", "between instructions",
      ]), "\(names)")

    let table = try place.lockstep(arguments).standardOutput
    #expect(table.contains("0: matrixProduct NT 64×128×784 + bias, relu"), "\(table)")
    #expect(table.contains("GFLOP/s in a large matrix product"), "\(table)")
  }

  @Test func aTraceShowsStepsPhasesAndInstructionsOfAllRanks() throws {
    let place = try Workplace()
    let arguments = ["bench", "mlp-small", "--seconds", "0.2", "--trace", "trace.json"]
    let result = try place.lockstep(arguments, ranks: 2)
    #expect(result.exitCode == 0, "\(result)")
    let data = try Data(contentsOf: URL(fileURLWithPath: place.file("trace.json")))
    let trace = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let events = try #require(trace["traceEvents"] as? [[String: Any]])
    for rank in 0..<2 {
      let own = events.filter { $0["pid"] as? Int == rank }
      #expect(own.filter { $0["ph"] as? String == "M" }.count == 4)
      let rows = try (0..<3).map { row in
        try own.filter { $0["tid"] as? Int == row && $0["ph"] as? String == "X" }.map(Span.init)
      }
      try #require(rows[0].count == 5)
      #expect(Set(rows[1].map(\.name)) == ["data", "forward and backward", "averaging", "update"])
      for step in rows[0] {
        // To the nanosecond: phases follow one another without gaps.
        let phases = rows[1].filter { step.begin..<step.end ~= $0.begin }
        let sum: Int = phases.reduce(0) { $0 + $1.length }
        #expect(sum == step.length)
        let passes = phases.filter { $0.name == "forward and backward" }
        let instructions = rows[2].filter { step.begin..<step.end ~= $0.begin }
        #expect(instructions.contains { $0.name.contains("matrixProduct TN 128×784×64") })
        let computed: Int = instructions.reduce(0) { $0 + $1.length }
        let passing: Int = passes.reduce(0) { $0 + $1.length }
        #expect(computed > 0 && computed <= passing)
      }
    }
  }

  /// An event's time in nanoseconds.
  private struct Span {
    let name: String
    let begin: Int
    let length: Int
    var end: Int { begin + length }

    init(_ event: [String: Any]) throws {
      name = try #require(event["name"] as? String)
      let microseconds: [Double] = [
        try #require(event["ts"] as? Double), try #require(event["dur"] as? Double),
      ]
      begin = Int((microseconds[0] * 1000).rounded())
      length = Int((microseconds[1] * 1000).rounded())
    }
  }

  @Test func aTraceThatCannotBeWrittenIsRefusedBeforeMeasuring() throws {
    let place = try Workplace()
    let result = try place.lockstep(["bench", "gpt", "--seconds", "600", "--trace", "no/such/folder.json"])
    #expect(
      result.exitCode == 2 && result.messages.first?.contains("no/such/folder.json") == true, "\(result)")
  }
}
