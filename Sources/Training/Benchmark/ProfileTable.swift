import Autodiff
import Foundation

extension PlanProfile {
  /// A line an instruction: milliseconds of a run, share of the whole, GFLOP/s, name.
  package var table: String {
    let total = Double(max(nanoseconds.reduce(0, +), 1))
    let lines = zip(zip(plan.instructions, plan.names), nanoseconds).map { pair, time in
      let ((instruction, name), time) = (pair, Double(time))
      let rate = Double(instruction.floatingPointOperations * runs) / max(time, 1)
      return String(
        format: "%9.4f ms %5.1f %% %8@  %@", time / Double(max(runs, 1)) * 1e-6, 100 * time / total,
        rate > 0 ? String(format: "%.1f", rate) : "", String(name.prefix(150)))
    }
    return lines.joined(separator: "\n")
      + String(format: "\n%9.4f ms in all", total / Double(max(runs, 1)) * 1e-6)
  }
}
