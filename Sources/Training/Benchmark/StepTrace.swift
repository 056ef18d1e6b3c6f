import Foundation
import MessagePassing

/// Steps as a Chrome trace, for chrome://tracing and Perfetto: a process for each rank, with rows for steps, for
/// their phases, and for the plan's instructions.
///
/// The ranks of one machine share its clock. Where there are several machines, each rank counts from the end of a
/// barrier, which ranks leave within the time of a message.
package final class StepTrace {
  private let communicator: any Communicator
  /// This rank's clock at the trace's beginning.
  private let origin: UInt64
  /// On rank 0, of all ranks: an object each, in JSON.
  private var events: [String] = []

  private struct Event: Encodable {
    var name: String
    var ph = "X"
    /// Microseconds, in decimal: a thousandth is a nanosecond.
    var ts: Decimal?
    var dur: Decimal?
    let pid: Int
    var tid: Int?
    var args: [String: String]?
  }

  private enum Row: Int, CaseIterable {
    case steps, phases, instructions
  }

  /// All ranks call it.
  package init(over communicator: any Communicator) throws {
    self.communicator = communicator
    try communicator.barrier()
    var clock = [Int64(MonotonicTime.nanoseconds)]
    if communicator.machine.ranks.count == communicator.size {
      try clock.withUnsafeMutableBufferPointer { try communicator.allreduce($0, .minimum) }
    }
    origin = UInt64(clock[0])
    let rank = communicator.rank
    let name = "rank \(rank) on \(communicator.machine.name)"
    let titles =
      [Event(name: "process_name", ph: "M", pid: rank, args: ["name": name])]
      + Row.allCases.map {
        Event(name: "thread_name", ph: "M", pid: rank, tid: $0.rawValue, args: ["name": "\($0)"])
      }
    try gather(titles)
  }

  /// Adds what the profiles of all ranks have kept; all call it.
  package func add(_ profile: StepProfile?, of workload: String) throws {
    var own: [Event] = []
    for (number, spans) in (profile?.spans ?? []).enumerated() {
      guard let begin = spans.first?.begin, let end = spans.last?.end else { continue }
      own.append(event(.steps, "\(workload), step \(number + 1)", begin, end))
      for span in spans { own.append(event(.phases, span.part.name, span.begin, span.end)) }
    }
    for moments in profile?.plan.moments ?? [] {
      let names = profile?.plan.plan.names ?? []
      for (name, (begin, end)) in zip(names, zip(moments, moments.dropFirst())) {
        own.append(event(.instructions, name, begin, end))
      }
    }
    try gather(own)
  }

  private func event(_ row: Row, _ name: String, _ begin: UInt64, _ end: UInt64) -> Event {
    Event(
      name: name, ts: Self.microseconds(Int64(bitPattern: begin &- origin)),
      dur: Self.microseconds(Int64(bitPattern: end &- begin)), pid: communicator.rank, tid: row.rawValue)
  }

  private static func microseconds(_ nanoseconds: Int64) -> Decimal { Decimal(nanoseconds) / 1000 }

  private func gather(_ own: [Event]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try own.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    let all = try communicator.allgather(bytes: Array(lines.joined(separator: "\n").utf8))
    guard communicator.rank == 0 else { return }
    for bytes in all {
      events += String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
  }

  /// Writes the file, on rank 0.
  package func write(to path: String) throws(TrainingError) {
    guard communicator.rank == 0 else { return }
    let text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + events.joined(separator: ",\n") + "\n]}\n"
    do {
      try text.write(toFile: path, atomically: false, encoding: .utf8)
    } catch {
      throw TrainingError(
        at: path, expected: "a file that can be written, for the trace",
        found: error.localizedDescription, remedy: "Check the path and the permissions.")
    }
  }
}

extension StepProfile.Part {
  fileprivate var name: String {
    switch self {
    case .loader: "data"
    case .passes: "forward and backward"
    case .averaging: "averaging"
    case .update: "update"
    case .between: "between steps"
    }
  }
}
