import Checkpoints
import Failpoints
import Foundation

/// Runs a training under mpirun, and begins it again from its last checkpoint when it fails.
///
/// Belongs into a process of its own: it takes over the signals that ask to stop, and all processes that come below this
/// one. Signals become SIGUSR1 for the ranks, which agree on a step, save, and end; so nothing depends on how long
/// mpirun waits before it kills.
package final class JobLauncher {
  package struct Options: Sendable {
    package var ranks: Int
    /// How often the run is begun again without a newer checkpoint.
    package var maxRestarts = 3
    package var hostfile: Hostfile?
    package var oversubscribe = false
    package var allowRoot = false
    /// Further options for mpirun.
    package var mpirun: [String] = []
    /// Seconds before the first restart.
    package var firstWait = 1.0

    package init(ranks: Int) { self.ranks = ranks }
  }

  /// Of a run that was stopped and can be resumed.
  package static let stopped: Int32 = 75
  /// Of a run that failed; of several that all did.
  private static let failed: Int32 = 1
  /// Of wrong usage, configuration or data, where another attempt would end alike.
  package static let wrongUsage: Int32 = 2

  private let options: Options
  private let mpirun: String
  private let program: String
  private let folder: String
  private let findProgress: () -> JobProgress
  private let environment: [String: String]
  private let signals: LaunchSignals
  private var hosts: LaunchHosts
  private var stopRequest: Int32?
  private var isHurried = false

  /// - Parameters:
  ///   - program: The program to run as ranks, a path.
  ///   - folder: The run's folder, where its checkpoints come to lie.
  ///   - progress: How far it has come.
  ///
  /// Throws where there is no mpirun, or it would refuse.
  package init(
    _ options: Options, program: String, folder: String, progress: @escaping () -> JobProgress
  ) throws(LaunchError) {
    findProgress = progress
    environment = ProcessInfo.processInfo.environment
    self.options = options
    self.program = program
    self.folder = folder
    hosts = LaunchHosts(ranks: options.ranks, hostfile: options.hostfile)
    mpirun = try Self.findLauncher(environment)
    try Self.checkUser(environment, allowRoot: options.allowRoot)
    signals = try LaunchSignals()
    Orphans.adopt()
  }

  private static func findLauncher(_ environment: [String: String]) throws(LaunchError) -> String {
    if let launcher = LaunchEnvironment(environment).launcher {
      throw LaunchError(
        at: "lockstep launch", expected: "to start the ranks itself", found: "to be one (\(launcher))",
        remedy: "Call it without mpirun or srun.")
    }
    guard let path = LauncherProbe.find("mpirun", searchPath: environment["PATH"] ?? "") else {
      throw LaunchError(
        at: "PATH", expected: "mpirun", found: "none",
        remedy: "Install Open MPI: sudo apt-get install openmpi-bin; or load it: module load openmpi")
    }
    return path
  }

  /// Open MPI refuses to run as root unless told twice. That is its user's to decide, not ours.
  private static func checkUser(
    _ environment: [String: String], allowRoot: Bool
  ) throws(LaunchError) {
    let variables = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"]
    guard geteuid() == 0, !allowRoot, variables.contains(where: { environment[$0] != "1" }) else { return }
    throw LaunchError(
      at: "lockstep launch", expected: "another user than root, for whom mpirun refuses to work",
      found: "root",
      remedy: "Use an account of your own; in a container, where root is harmless, add --allow-run-as-root.")
  }

  /// Runs to the end: of the run, of the restarts, or by a signal.
  ///
  /// - Parameter arguments: what the program gets, by how often it has been begun again.
  /// - Returns: the exit code, which is that of the run.
  package func run(_ arguments: (_ restart: Int) -> [String]) throws(LaunchError) -> Int32 {
    var policy = RestartPolicy(
      most: options.maxRestarts, firstWait: options.firstWait, newestStep: progress.count)
    var restart = 0
    while true {
      let begin = MonotonicTime.seconds
      let ending = try start(arguments(restart), restart: restart)
      guard let event = failure(of: ending, seconds: MonotonicTime.seconds - begin) else {
        return exitCode(of: ending, restarts: restart)
      }
      let progress = progress
      judgeHosts(ending.failure, progressed: policy.isProgress(progress.count))
      guard case .again(let seconds) = policy.failed(newestStep: progress.count) else {
        tell(event)
        tell(
          LaunchText.givingUp(
            attempts: policy.attempts, progress: progress, folder: folder, exitCode: ending.exitCode))
        return ending.exitCode
      }
      restart += 1
      tell(
        event + "; "
          + LaunchText.next(
            progress: progress, ranks: hosts.ranks, seconds: seconds, attempt: policy.attempts,
            most: policy.most))
      if let signal = signals.sleep(seconds) ?? waitForFolder() {
        tell("asked to stop by \(LaunchText.name(ofSignal: signal)) while nothing ran")
        return Self.stopped
      }
    }
  }

  private func start(_ arguments: [String], restart: Int) throws(LaunchError) -> JobProcess.Ending {
    let command =
      mpirunArguments(restart: restart) + options.mpirun + [program] + arguments
    let job = try JobProcess(mpirun, arguments: command, environment: environment, signals: signals)
    let ending = job.run { signal in
      if stopRequest == nil {
        stopRequest = signal
        tell("asked to stop by \(LaunchText.name(ofSignal: signal)): the ranks end their step and save")
        job.send(SIGUSR1)
      } else {
        isHurried = true
        tell("asked again, by \(LaunchText.name(ofSignal: signal)): the ranks end at once")
        job.send(SIGTERM)
      }
    }
    if ending.signal != nil { Orphans.removeSession(ofLauncher: job.process, environment: environment) }
    return ending
  }

  private func mpirunArguments(restart: Int) -> [String] {
    var arguments = ["-n", "\(hosts.ranks)"] + hosts.arguments
    if options.oversubscribe { arguments.append("--oversubscribe") }
    if options.allowRoot { arguments.append("--allow-run-as-root") }
    arguments += ["-x", "\(FailpointPlan.restartVariable)=\(restart)"]
    if options.hostfile != nil {
      // A connection that is gone is noticed after 5 + 2 · 3 s, not after minutes.
      for (name, value) in [("time", 5), ("intvl", 2), ("probes", 3)] {
        arguments += ["--mca", "oob_tcp_keepalive_\(name)", "\(value)"]
      }
    }
    return arguments
  }

  /// What went wrong, in words; nil where the run is not to be begun again.
  private func failure(of ending: JobProcess.Ending, seconds: Double) -> String? {
    let code = ending.exitCode
    guard code != 0, code != Self.stopped, code != Self.wrongUsage, stopRequest == nil,
      ending.failure.refusal == nil, !(code == Self.failed && progress.isSettled)
    else { return nil }
    return LaunchText.failure(ending.failure, exitCode: code, launcherSignal: ending.signal, seconds: seconds)
  }

  private func exitCode(of ending: JobProcess.Ending, restarts: Int) -> Int32 {
    let code = ending.exitCode
    if let refusal = ending.failure.refusal, stopRequest == nil {
      tell("mpirun refuses for \(refusal); see its message. " + LaunchText.remedy(forRefusal: refusal))
      return Self.wrongUsage
    }
    if code == 0 {
      if restarts > 0 { tell("finished, begun again \(restarts) \(restarts == 1 ? "time" : "times")") }
      return code
    }
    guard let stopRequest, code != Self.stopped else { return code }
    if isHurried { return 128 + stopRequest }
    // The ranks were killed by our signal: it came before they began to look for it.
    if code == 128 + SIGUSR1 || ending.failure.signal == SIGUSR1 {
      tell("stopped before the ranks had begun; nothing is lost")
      return Self.stopped
    }
    tell(
      LaunchText.failure(ending.failure, exitCode: code, launcherSignal: ending.signal, seconds: nil)
        + " while it was being stopped; " + progress.standing)
    return code
  }

  private var progress: JobProgress { findProgress() }

  private func judgeHosts(_ failure: JobFailure, progressed: Bool) {
    guard options.hostfile != nil else { return }
    let probe = HostProbe(options: options.mpirun, environment: environment)
    var lost = failure.hanging.map { (name: $0.host, reason: "rank \($0.rank) on it hung") }
    if probe?.isSlurm != true {
      lost += failure.lostHosts.map { (name: $0, reason: "the connection to it was lost") }
    }
    if lost.isEmpty, let probe, failure.rank == nil || probe.isSlurm {
      lost = probe.unreachable(hosts.remaining.map(\.name))
    }
    for (name, reason) in hosts.judge(lost: lost, crashed: failure.host, progressed: progressed) {
      tell("host \(name) is left out: \(reason)")
    }
  }

  /// A rank 0 on another machine, whose launcher has died, holds the folder until it notices.
  ///
  /// - Returns: the signal that asked to stop meanwhile.
  private func waitForFolder() -> Int32? {
    guard FileManager.default.fileExists(atPath: folder) else { return nil }
    let end = MonotonicTime.seconds + 15
    while (try? RunLock(folder: folder)) == nil, MonotonicTime.seconds < end {
      if let signal = signals.sleep(0.1) { return signal }
    }
    return nil
  }

  /// An event, on the standard error and in the run's log.
  private func tell(_ text: String) {
    JobProcess.write(Array("lockstep launch: \(LaunchText.time()) \(text)\n".utf8)[...])
    if FileManager.default.fileExists(atPath: folder) {
      RunLog(at: folder + "/log.txt", silent: true).message("launch: \(text)")
    }
  }
}
