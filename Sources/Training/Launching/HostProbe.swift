import Foundation

/// Asks hosts whether they answer, the way mpirun reaches them: through its remote shell, or within a Slurm job through
/// srun.
struct HostProbe {
  /// The command that runs another on a host: `AGENT HOST COMMAND`, or with srun `AGENT --nodelist=HOST COMMAND`.
  let agent: [String]
  /// Whether Slurm starts mpirun's daemons. They are one step of the job, of which Slurm ends all when one is lost: which
  /// of them mpirun misses first says nothing.
  let isSlurm: Bool
  let environment: [String: String]
  var timeout = 10.0

  /// - Parameter options: those that mpirun gets.
  /// - Returns: nil where there is nothing to ask with.
  init?(options: [String], environment: [String: String]) {
    self.environment = environment
    let given = options.firstIndex(of: "plm_rsh_agent").flatMap { index in
      index + 1 < options.count ? options[index + 1] : nil
    }
    let named = given ?? environment["OMPI_MCA_plm_rsh_agent"]
    isSlurm = named == nil && environment["SLURM_JOB_ID"] != nil
    if isSlurm {
      guard LauncherProbe.find("srun", searchPath: environment["PATH"] ?? "") != nil else { return nil }
      // Beside the job's other steps, even those that Slurm has not yet seen the end of.
      agent = ["srun", "--overlap", "--mpi=none", "--nodes=1", "--ntasks=1", "--ntasks-per-node=1"]
      return
    }
    // Open MPI's list: the first that there is.
    agent =
      (named ?? "ssh : rsh").split(separator: ":").lazy.map { $0.split(separator: " ").map(String.init) }
      .first { words in
        guard let first = words.first else { return false }
        return first.contains("/")
          || LauncherProbe.find(first, searchPath: environment["PATH"] ?? "") != nil
      } ?? []
    if agent.isEmpty { return nil }
  }

  /// The hosts that do not answer, and why; all are asked at once.
  func unreachable(_ hosts: [String]) -> [(name: String, reason: String)] {
    let silence = open("/dev/null", O_WRONLY | O_CLOEXEC)
    defer { close(silence) }
    let remote = hosts.filter { !Self.isThisMachine($0) }
    let asked = remote.map { host in
      let command =
        ["-c", "exec \"$@\" >/dev/null", "sh"] + agent + [isSlurm ? "--nodelist=\(host)" : host, "true"]
      return JobProcess.spawn("/bin/sh", arguments: command, environment: environment, errors: silence)
    }
    let deadline = MonotonicTime.seconds + timeout
    return zip(remote, asked).compactMap { host, process in
      guard process > 0, let code = Self.exitCode(of: process, until: deadline) else {
        return (host, "it does not answer")
      }
      return code == 0 ? nil : (host, "it cannot be reached (\(agent[0]) ended with \(code))")
    }
  }

  private static func exitCode(of process: pid_t, until deadline: Double) -> Int32? {
    var status: Int32 = 0
    while MonotonicTime.seconds < deadline {
      if waitpid(process, &status, WNOHANG) == process {
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
      }
      usleep(5000)
    }
    kill(-process, SIGKILL)
    waitpid(process, &status, 0)
    return nil
  }

  private static func isThisMachine(_ host: String) -> Bool {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, 255)
    let own = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return ["localhost", "127.0.0.1", "::1", own].contains(host)
      || host.split(separator: ".").first == own.split(separator: ".").first
  }
}
