import Foundation

/// What a launch says, in plain words.
package enum LaunchText {
  /// The time of the day, UTC.
  static func time() -> String {
    var (now, parts) = (time_t(0), tm())
    Foundation.time(&now)
    gmtime_r(&now, &parts)
    return String(format: "%02d:%02d:%02dZ", Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
  }

  static func name(ofSignal signal: Int32) -> String {
    let names = [
      SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT",
      SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1", SIGSEGV: "SIGSEGV",
      SIGTERM: "SIGTERM",
    ]
    return names[signal] ?? "signal \(signal)"
  }

  /// Who failed, how, and with which exit code.
  ///
  /// - Parameters:
  ///   - launcherSignal: by which mpirun itself was killed.
  ///   - seconds: after which; nil: not said.
  package static func failure(
    _ failure: JobFailure, exitCode: Int32, launcherSignal: Int32?, seconds: Double?
  ) -> String {
    let after = seconds.map { String(format: " after %.1f s", $0) } ?? ""
    return "\(cause(failure, launcherSignal: launcherSignal))\(after), exit code \(exitCode)"
  }

  private static func cause(_ failure: JobFailure, launcherSignal: Int32?) -> String {
    if let first = failure.hanging.first { return "rank \(first.rank) on host \(first.host) hung" }
    if let host = failure.lostHosts.first { return "the connection to host \(host) was lost" }
    if let rank = failure.rank {
      let place = "rank \(rank)" + (failure.host.map { " on host \($0)" } ?? "")
      if let signal = failure.signal { return "\(place) was killed by \(name(ofSignal: signal))" }
      return "\(place) failed"
    }
    if let launcherSignal { return "mpirun was killed by \(name(ofSignal: launcherSignal))" }
    return "the run failed"
  }

  /// From where it goes on, when, and how often that is tried.
  package static func next(
    progress: JobProgress, ranks: Int, seconds: Double, attempt: Int, most: Int
  ) -> String {
    "\(progress.resumption) with \(ranks) \(ranks == 1 ? "rank" : "ranks") in \(NumberText.fixed(seconds, seconds == seconds.rounded() ? 0 : 1)) s "
      + "(attempt \(attempt) of \(most) without a newer checkpoint)"
  }

  static func givingUp(attempts: Int, progress: JobProgress, folder: String, exitCode: Int32) -> String {
    let restarts = "\(attempts) \(attempts == 1 ? "restart" : "restarts")"
    let tries = attempts == 0 ? "" : "after \(restarts) without a newer checkpoint "
    return "gives up \(tries)(exit code \(exitCode)); \(progress.standing); when the cause is mended, "
      + "go on with: lockstep launch … -- \(progress.command) --resume --out \(RunSummary.shellWord(folder))"
  }

  static func remedy(forRefusal refusal: String) -> String {
    refusal.contains("slots")
      ? "Ask for fewer ranks, give the hosts more slots, or add --oversubscribe."
      : "Mend that, and launch again."
  }
}
