import Foundation

extension RunPlan {
  /// The plan as people read it.
  public var text: String {
    [heading, Self.table(memoryRows), Self.table(timeRows), closing].joined(separator: "\n\n")
  }

  private var heading: String {
    let ranks =
      "\(Self.count(ranks, "rank")) of \(Self.count(threads, "thread")) on "
      + (machines == 1
        ? "one machine" : "\(machines) machines, \(ranksPerMachine) on each")
    return "\(name): \(NumberText.grouped(Double(parameters))) parameters, batch \(batch) in "
      + "\(Self.count(shards, "shard")), \(ranks)\n"
      + "\(NumberText.count(floatingPointOperations))FLOP a step; this machine reaches "
      + "\(NumberText.rate(machine.oneRank.matrixGigaflops)) GFLOP/s in products and "
      + "\(NumberText.rate(machine.oneRank.memoryGigabytesPerSecond)) GB/s of memory on one rank"
  }

  private var memoryRows: [[String]] {
    let parts: [(String, Double)] = [
      ("parameters", memory.parameters), ("gradients", memory.gradients),
      ("optimizer state", memory.optimizerState), ("activations", memory.activations),
      ("inputs", memory.inputs), ("data set", memory.data), ("validation", memory.validation),
      ("saving", memory.saving),
      ("program, libraries", memory.program), ("all", memory.total),
    ]
    let machine = ranksPerMachine > 1 ? [("all, \(ranksPerMachine) ranks of a machine", machineMemory)] : []
    return [["memory of a rank", "MiB"]]
      + (parts + machine).map { [$0.0, NumberText.fixed($0.1 / 1_048_576, 1)] }
  }

  private var timeRows: [[String]] {
    let parts: [(String, Double)] = [
      ("products", timing.products), ("other passes", timing.passes), ("adding shards", timing.adding),
      ("update", timing.update), ("samples", waitingForSamples),
      ("averaging, bytes", averaging.transfer), ("averaging, messages", averaging.latency),
      ("all", stepSeconds),
    ]
    return [[isRehearsed ? "a step" : "a step, estimated", "ms", "share"]]
      + parts.map {
        [$0.0, Self.milliseconds($0.1), NumberText.fixed(100 * $0.1 / max(stepSeconds, 1e-12), 0) + " %"]
      }
  }

  private var closing: String {
    var lines = [
      "\(NumberText.rate(samplesPerSecond)) samples/s, \(NumberText.rate(gigaflops)) GFLOP/s"
    ]
    if ranks > 1 {
      lines.append(
        "\(ranks) ranks are \(NumberText.fixed(speedup, 2)) times as fast as one: efficiency "
          + NumberText.fixed(efficiency, 2))
    }
    lines.append("limited by \(limit)")
    return lines.joined(separator: "\n")
  }

  /// What most of the step's time goes to, in words.
  public var limit: String {
    let crowding = max(0, timing.computing - secondsOnOneRank / Double(ranks))
    let memory = timing.passes + timing.adding + timing.update
    let causes: [(Double, String)] = [
      (
        timing.products - crowding * timing.products / max(timing.computing, 1e-12),
        "matrix products: \(productRate)"
      ),
      (
        memory - crowding * memory / max(timing.computing, 1e-12),
        "memory: passes over activations, additions and the update take \(milliseconds(memory))"
      ),
      (
        crowding,
        "the machine's ranks disturbing each other: what takes one rank \(milliseconds(secondsOnOneRank / Double(ranks))) "
          + "takes each of them \(milliseconds(timing.computing))"
      ),
      (waitingForSamples, "gathering samples, for which no processor is to spare"),
      (
        averaging.transfer,
        "averaging: \(NumberText.bytes(averaging.bytesInside + averaging.bytesBetween)) a step "
          + (averaging.bytesBetween > 0 ? "through the network" : "between the ranks of the machine")
      ),
      (
        averaging.latency,
        (averaging.messagesBetween > 0 ? "the network's" : "the messages'")
          + " latency: \(Int(averaging.messagesBetween + averaging.messagesInside)) messages a step wait for one another"
      ),
    ]
    return causes.max { $0.0 < $1.0 }?.1 ?? ""
  }

  private var productRate: String {
    let rate = Double(floatingPointOperations) / Double(ranks) / max(timing.products, 1e-12) * 1e-9
    return "\(NumberText.rate(rate)) GFLOP/s on each rank, "
      + "\(NumberText.fixed(100 * rate / machine.oneRank.matrixGigaflops, 0)) % of the best"
  }

  private func milliseconds(_ seconds: Double) -> String { Self.milliseconds(seconds) + " ms" }

  private static func milliseconds(_ seconds: Double) -> String { NumberText.fixed(seconds * 1e3, 3) }

  private static func count(_ number: Int, _ word: String) -> String {
    "\(number) \(word)\(number == 1 ? "" : "s")"
  }

  private static func table(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + space : space + cell
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}

extension RunPlan {
  /// The plan with what follows from it, for encoding.
  public struct Report: Encodable {
    public let plan: RunPlan

    private enum CodingKeys: String, CodingKey {
      case stepMilliseconds, samplesPerSecond, gigaflops, speedup, efficiency, memoryMiB, machineMemoryMiB,
        limit
    }

    public func encode(to encoder: any Encoder) throws {
      try plan.encode(to: encoder)
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(plan.stepSeconds * 1e3, forKey: .stepMilliseconds)
      try values.encode(plan.samplesPerSecond, forKey: .samplesPerSecond)
      try values.encode(plan.gigaflops, forKey: .gigaflops)
      try values.encode(plan.speedup, forKey: .speedup)
      try values.encode(plan.efficiency, forKey: .efficiency)
      try values.encode(plan.memory.total / 1_048_576, forKey: .memoryMiB)
      try values.encode(plan.machineMemory / 1_048_576, forKey: .machineMemoryMiB)
      try values.encode(plan.limit, forKey: .limit)
    }
  }

  public var report: Report { Report(plan: self) }
}
