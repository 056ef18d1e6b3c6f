import MessagePassing
import TensorCore

/// What is said when a training stands still: who is to blame, and where everybody is.
package struct StallReport {
  /// The ranks' numbers in the job.
  let numbers: [Int]
  /// The names of the machines, rank by rank.
  let machines: [String]
  /// What the instructions of the training plans are, by the samples of a pass.
  let instructions: [Int: [String]]
  /// What is said of a rank that is not there.
  var absence = "not in its training"

  /// The phase of a rank that trains one of several members and is between two of them.
  static let betweenMembers = TimeAccount.Phase.allCases.count + 1

  package init(numbers: [Int], machines: [String], instructions: [Int: [String]]) {
    (self.numbers, self.machines, self.instructions) = (numbers, machines, instructions)
  }

  /// Some lines of text.
  package func text(_ verdict: StallJudge.Verdict, _ places: [Place]) -> String {
    let first = verdict.ranks[0]
    let blamed =
      describeRanks(verdict.ranks.map { numbers[$0] })
      + (verdict.ranks.count == 1 ? " on \(machines[first])" : "")
    let isOne = verdict.ranks.count == 1
    let what =
      switch verdict.kind {
      case .stopped: "\(blamed) \(isOne ? "does" : "do") not run (stopped, or held up by the system)"
      case .stuck: "\(blamed) \(isOne ? "runs, but stands" : "run, but stand") still"
      case .unreachable: "nothing has come from \(blamed), heard of last"
      case .waiting: "\(blamed) \(isOne ? "waits" : "wait") for a message that does not come"
      }
    let seconds = NumberText.duration(verdict.seconds)
    var lines = ["no progress for \(seconds): \(what), \(description(of: places[first]))"]
    let present = places.indices.filter { places[$0].isPresent }
    let words = present.map { rank in
      "on \(machines[rank]): \(description(of: places[rank]))"
        + (verdict.waiting.contains(rank) ? ", waiting for others" : "")
    }
    for group in groupRanks(by: words) {
      lines.append("  \(describeRanks(group.ranks.map { numbers[present[$0]] })) \(group.value)")
    }
    lines.append(
      "  The job ends; go on from its last checkpoint with --resume. See what became of that rank: it may be stopped, "
        + "stuck in a file system, or its machine may be gone. What takes longer by itself needs a longer "
        + "--hang-timeout.")
    return lines.joined(separator: "\n")
  }

  /// `in step 12, computing instruction 7 of 31: 0.weight matrixProduct NT 64×128×784`
  private func description(of place: Place) -> String {
    if place.phase == Self.betweenMembers { return "between the trainings of two members" }
    guard let phase = TimeAccount.Phase(place: place) else { return absence }
    let step = place.step == 0 ? "before the first step" : "in step \(place.step)"
    guard phase == .compute else { return "\(step), \(phase.doing)" }
    guard place.instruction >= 0, let names = instructions[place.samples],
      names.indices.contains(place.instruction)
    else { return "\(step), between two passes or updating weights" }
    return
      "\(step), computing instruction \(place.instruction + 1) of \(names.count): \(names[place.instruction])"
  }
}

extension TimeAccount.Phase {
  /// As it is written into a place.
  var place: Int { rawValue + 1 }

  init?(place: Place) { self.init(rawValue: place.phase - 1) }

  /// Phases whose length depends on files.
  static let transferring: Set<Int> = [
    Self.data.place, checkpoint.place, other.place, StallReport.betweenMembers,
  ]

  var doing: String {
    switch self {
    case .compute: "computing"
    case .communication: "averaging"
    case .data: "waiting for samples"
    case .validation: "validating"
    case .checkpoint: "saving a checkpoint"
    case .other: "between two steps"
    }
  }
}
