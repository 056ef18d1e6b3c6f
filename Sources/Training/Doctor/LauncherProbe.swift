import Foundation
import MessagePassing

/// Tries the launcher: finds `mpirun`, asks its version, and lets it start two processes.
public struct LauncherProbe: Sendable, Equatable {
  public enum Trial: Sendable, Equatable {
    /// Not tried, for instance because this process itself runs under a launcher.
    case skipped(String)
    case worked
    /// It ended with this status, having said this.
    case failed(status: Int32, output: String)
    /// It was still running after so many seconds, and was ended.
    case timedOut(seconds: Double)
  }

  /// Where it is; nil: nowhere on the path.
  public let path: String?
  /// What `mpirun --version` says.
  public let version: String
  public let trial: Trial

  public init(path: String?, version: String, trial: Trial) {
    self.path = path
    self.version = version
    self.trial = trial
  }

  /// - Parameters:
  ///   - environment: of this process.
  ///   - timeout: seconds for the trial.
  public static func run(environment: [String: String], timeout: Double = 20) -> LauncherProbe {
    guard let path = find("mpirun", searchPath: environment["PATH"] ?? "") else {
      return LauncherProbe(path: nil, version: "", trial: .skipped("there is no mpirun"))
    }
    let (_, version) = execute(path, ["--version"], timeout: 5)
    if LaunchEnvironment(environment).launcher != nil {
      return LauncherProbe(path: path, version: version, trial: .skipped("this is a rank already"))
    }
    guard let hostname = find("hostname", searchPath: environment["PATH"] ?? "") else {
      return LauncherProbe(path: path, version: version, trial: .skipped("there is no hostname to start"))
    }
    var arguments = ["-np", "2", "--oversubscribe", "--bind-to", "none"]
    if geteuid() == 0 { arguments.append("--allow-run-as-root") }
    let (status, output) = execute(path, arguments + [hostname], timeout: timeout)
    let trial: Trial =
      switch status {
      case nil: .timedOut(seconds: timeout)
      case 0? where output.split(separator: "\n").count >= 2: .worked
      case let status?: .failed(status: status, output: output)
      }
    return LauncherProbe(path: path, version: version, trial: trial)
  }

  /// The first executable file of a name on a search path.
  package static func find(_ name: String, searchPath: String) -> String? {
    searchPath.split(separator: ":").lazy.map { "\($0)/\(name)" }.first { path in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        && access(path, X_OK) == 0
    }
  }

  /// Runs a program with nothing to read and its output in a file (a pipe could fill up, or be held open by
  /// what the program leaves behind).
  ///
  /// - Returns: its exit status, 128 and more for signals, nil when it took too long and was ended; and
  ///   the beginning of what it said.
  package static func execute(_ path: String, _ arguments: [String], timeout: Double) -> (Int32?, String) {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-\(UUID().uuidString)")
    guard FileManager.default.createFile(atPath: file.path, contents: nil),
      let output = try? FileHandle(forWritingTo: file)
    else { return (-1, "no temporary file could be made in \(file.deletingLastPathComponent().path)") }
    defer {
      try? output.close()
      try? FileManager.default.removeItem(at: file)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    do { try process.run() } catch { return (-1, "\(error.localizedDescription)") }
    let deadline = MonotonicTime.seconds + timeout
    while process.isRunning, MonotonicTime.seconds < deadline { usleep(5_000) }
    let tookTooLong = process.isRunning
    if tookTooLong {
      process.terminate()
      // mpirun needs a moment to end the processes that it started.
      let end = MonotonicTime.seconds + 3
      while process.isRunning, MonotonicTime.seconds < end { usleep(5_000) }
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }
    process.waitUntilExit()
    let text = (try? Data(contentsOf: file)).map { String(decoding: $0.prefix(4_000), as: UTF8.self) } ?? ""
    if tookTooLong { return (nil, text) }
    let status = process.terminationStatus
    return (process.terminationReason == .uncaughtSignal ? 128 + status : status, text)
  }
}

/// How this process was started, as far as its environment tells.
public struct LaunchEnvironment: Sendable, Equatable {
  /// `Open MPI` or `PMI` (srun); nil when started by hand.
  public let launcher: String?
  public let rank: Int?
  public let size: Int?
  /// Ranks on this machine.
  public let localSize: Int?
  /// Tasks that Slurm started, where there is nothing to join them to one run.
  public let unconnectedTasks: Int?

  public init(_ environment: [String: String]) {
    func number(_ keys: String...) -> Int? {
      keys.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
    }
    let isOpenMPI = environment["OMPI_COMM_WORLD_SIZE"] != nil
    let isPMI = environment["PMIX_RANK"] != nil || environment["PMI_RANK"] != nil
    launcher = isOpenMPI ? "Open MPI" : isPMI ? "PMI" : nil
    rank = number("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
    size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE") ?? (isPMI ? number("SLURM_NTASKS") : nil)
    localSize = number("OMPI_COMM_WORLD_LOCAL_SIZE")
    // The rule is the one by which a world is joined or refused.
    let isRefused = (try? Launch.decide(from: environment)) == nil
    unconnectedTasks = isRefused ? number("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") : nil
  }
}
