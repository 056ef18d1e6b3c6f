import DistributedScenarios
import Foundation

/// Whether all fault tests are wanted, and not only a short form of them.
let wantsAllFaults = ProcessInfo.processInfo.environment["LOCKSTEP_FAULTS"] != nil

/// What became of a run that something was done to.
struct FaultyRun {
  let result: ProgramResult
  /// Everything that it started, mpirun aside.
  let processes: Set<pid_t>
  /// Seconds from the first sign of the fault until nothing of it ran any more; nil where there was no sign.
  let secondsToEnd: Double?

  /// The lines in which failpoints tell what they do.
  var failpoints: [Substring] {
    result.standardError.split(separator: "\n").filter { $0.hasPrefix("failpoint ") }
  }
}

extension Workplace {
  /// Runs the command as so many ranks, with faults, until all of its processes are gone; those that are left after
  /// `timeout` seconds are killed.
  ///
  /// - Parameters:
  ///   - failpoints: what `LOCKSTEP_FAILPOINTS` is to say.
  ///   - fault: called again and again while it runs, until it says that it has done something.
  func run(
    _ arguments: [String], ranks: Int, failpoints: String? = nil, timeout: Double = 30,
    fault: (RunningProgram) throws -> Bool = { $0.standardError.contains("failpoint ") }
  ) throws -> FaultyRun {
    let environment = failpoints.map { ["LOCKSTEP_FAILPOINTS": $0] } ?? [:]
    let job = try MPIRun.start(
      ranks: ranks, executable: "lockstep", arguments: arguments, environment: environment, directory: path)
    return try watch(job, timeout: timeout, fault: fault)
  }

  /// The same with a run that has been started.
  func watch(
    _ job: RunningProgram, timeout: Double = 30, fault: (RunningProgram) throws -> Bool
  ) throws -> FaultyRun {
    var processes: Set<pid_t> = []
    var began: Date?
    let limit = Date(timeIntervalSinceNow: timeout)
    func isOver() -> Bool {
      !Program.isRunning(job.processID) && !processes.contains(where: Program.isRunning)
    }
    repeat {
      processes.formUnion(job.descendants())
      if began == nil, try fault(job) { began = Date() }
      usleep(10_000)
    } while !isOver() && Date() < limit
    let end = Date()
    let isLate = !isOver()
    for process in processes where Program.isRunning(process) { kill(process, SIGKILL) }
    let result = try job.wait(timeout: 10)
    if isLate { throw Unexpected("something still ran after \(timeout) s\n\(result)") }
    return FaultyRun(
      result: result, processes: processes, secondsToEnd: began.map { end.timeIntervalSince($0) })
  }
}
