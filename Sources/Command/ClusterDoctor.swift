import Foundation
import Lockstep

/// `lockstep doctor --cluster`, as each rank runs it.
struct ClusterDoctor {
  let folder: String
  let threads: Int
  /// Seconds until it gives up on ranks that cannot be reached.
  let patience: Double

  func run() -> Never {
    let environment = ProcessInfo.processInfo.environment
    let launch = LaunchEnvironment(environment)
    if launch.unconnectedTasks != nil {
      // Each of the tasks finds this out by itself; one says it.
      if environment["SLURM_PROCID"].map({ $0 == "0" }) ?? true {
        Self.show(Doctor.unconnected(launch))
      }
      exit(Ending.failed)
    }
    let isFirst = (launch.rank ?? 0) == 0
    let deadline = ClusterDeadline(seconds: patience) { [patience] stage in
      // The others wait until the first has spoken.
      guard isFirst else {
        sleep(5)
        return
      }
      Self.show(Doctor.unreachable(stage: stage, seconds: patience))
    }
    Ending.distributed { world in
      let probe = ClusterProbe(
        over: world.communicator, folder: folder, threads: threads, stage: deadline.enter)
      let report = Doctor.examine(try probe.gather())
      deadline.cancel()
      if world.rank == 0 { Self.show(report) }
      return report.exitCode
    }
  }

  private static func show(_ report: DoctorReport) {
    let terminal = Terminal.of(1)
    print(report.text(width: terminal.width, color: terminal.hasColor), terminator: "")
    fflush(nil)
  }
}
