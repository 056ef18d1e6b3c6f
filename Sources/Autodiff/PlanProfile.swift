import Foundation
import TensorCore

/// How long each instruction of a plan took, added up over the runs that were watched.
package final class PlanProfile {
  package let plan: Plan
  /// Nanoseconds of each instruction, in all runs together.
  package private(set) var nanoseconds: [UInt64]
  /// Runs that were watched.
  package private(set) var runs = 0
  /// Of the first runs, as many as were to be kept: when each instruction began, and when the last one ended, by the
  /// monotonic clock.
  package private(set) var moments: [[UInt64]] = []

  private let keptRuns: Int
  private var current: [UInt64]

  package init(_ plan: Plan, keptRuns: Int = 0) {
    self.plan = plan
    self.keptRuns = keptRuns
    nanoseconds = Array(repeating: 0, count: plan.instructions.count)
    current = Array(repeating: 0, count: plan.instructions.count + 1)
    moments.reserveCapacity(keptRuns)
  }

  /// Runs the plan as the executor does, and reads the clock between its instructions.
  package func run(_ memory: Bindings<Float>, afterInstruction: (Int) throws -> Void) rethrows {
    Executor<FloatKernels>.clear(plan, memory)
    for (index, instruction) in plan.instructions.enumerated() {
      current[index] = Self.now
      memory.position?.pointee.store(index, ordering: .relaxed)
      Executor<FloatKernels>.execute(instruction, memory, plan, index)
      nanoseconds[index] += Self.now &- current[index]
      try afterInstruction(instruction.completedPrefix)
    }
    current[plan.instructions.count] = Self.now
    runs += 1
    if moments.count < keptRuns { moments.append(current) }
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
