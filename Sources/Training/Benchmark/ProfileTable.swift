import Autodiff
import Foundation
import Optimizers

/// What the steps of a profile went to: by kind of operation, then instruction by instruction.
package struct ProfileTable {
  package struct Line {
    package let name: String
    /// Of a step.
    package let milliseconds: Double
    package let share: Double
    /// Per second, in 10⁹; 0 where there is nothing to count.
    package let gigaflops: Double
    package let gigabytesPerSecond: Double
  }

  /// Kinds of operations, longest first, then what lies between the instructions. Their shares add up to 1.
  package let groups: [Line]
  /// In the order in which they run.
  package let instructions: [Line]
  package let millisecondsPerStep: Double

  private struct Cost {
    var nanoseconds = 0.0
    var operations = 0.0
    var bytes = 0.0
  }

  /// - Parameter updateBytes: what this rank's part of the update reads and writes.
  package init(_ profile: StepProfile, updateBytes: Int) {
    let (plan, runs, steps) = (profile.plan.plan, Double(profile.plan.runs), Double(max(profile.steps, 1)))
    let total = Double(max(profile.nanoseconds.reduce(0, +), 1))
    millisecondsPerStep = total / steps * 1e-6
    func line(_ name: String, _ cost: Cost) -> Line {
      // Billions a second are units a nanosecond.
      let rate = 1 / max(cost.nanoseconds, 1)
      return Line(
        name: name, milliseconds: cost.nanoseconds / steps * 1e-6, share: cost.nanoseconds / total,
        gigaflops: cost.operations * rate, gigabytesPerSecond: cost.bytes * rate)
    }

    var kinds: [OperationKind: Cost] = [:]
    var lines: [Line] = []
    for (index, instruction) in plan.instructions.enumerated() {
      let cost = Cost(
        nanoseconds: Double(profile.plan.nanoseconds[index]),
        operations: Double(instruction.floatingPointOperations) * runs,
        bytes: Double(instruction.bytes) * runs)
      lines.append(line(plan.names[index], cost))
      var sum = kinds[instruction.operation.kind] ?? Cost()
      sum.nanoseconds += cost.nanoseconds
      sum.operations += cost.operations
      sum.bytes += cost.bytes
      kinds[instruction.operation.kind] = sum
    }
    instructions = lines

    func part(_ part: StepProfile.Part) -> Cost { Cost(nanoseconds: Double(profile.nanoseconds(part))) }
    var between = part(.passes)
    between.nanoseconds -= kinds.values.reduce(0) { $0 + $1.nanoseconds }
    var update = part(.update)
    update.bytes = Double(updateBytes) * steps
    groups =
      kinds.map { line($0.rawValue, $1) }.sorted { ($1.share, $0.name) < ($0.share, $1.name) } + [
        line("between instructions", between), line("averaging", part(.averaging)), line("update", update),
        line("waiting for the loader", part(.loader)), line("between steps", part(.between)),
      ]
  }

  /// The groups, as `--json` tells them.
  package var parts: [BenchmarkRecord.Part] {
    groups.map {
      BenchmarkRecord.Part(
        part: $0.name, share: $0.share, milliseconds: $0.milliseconds,
        gigaflops: $0.gigaflops > 0 ? $0.gigaflops : nil,
        gigabytesPerSecond: $0.gigabytesPerSecond > 0 ? $0.gigabytesPerSecond : nil)
    }
  }

  /// - Parameter ceiling: what this rank could reach.
  package func text(ceiling: MachineSpeed.Rates) -> String {
    let heading = "   share   ms a step   GFLOP/s   of peak      GB/s  of memory"
    func row(_ line: Line) -> String {
      func rate(_ value: Double, _ ceiling: Double) -> String {
        guard value > 0 else { return String(repeating: " ", count: 20) }
        return String(format: "%10.1f %7.0f %%", value, 100 * value / max(ceiling, 1e-9))
      }
      return String(format: "%6.1f %% %11.4f", 100 * line.share, line.milliseconds)
        + rate(line.gigaflops, ceiling.matrixGigaflops)
        + " " + rate(line.gigabytesPerSecond, ceiling.memoryGigabytesPerSecond)
        + "  " + line.name
    }
    let whole = String(format: "%6.1f %% %11.4f", 100.0, millisecondsPerStep)
    return ([heading] + groups.map(row) + [whole, ""] + instructions.map(row)).joined(separator: "\n")
  }
}

extension OptimizerState {
  /// Gradient, parameter and state of each element are read, parameter and state written.
  package var bytesOfUpdate: Int { (3 + 2 * vectors.count) * range.count * MemoryLayout<Float>.stride }
}
