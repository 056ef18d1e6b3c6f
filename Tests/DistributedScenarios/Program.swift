import Foundation

// Programs that tests start: built ones and others, with a time limit, and with nothing left behind.

/// How many times as long as on an idle machine things may take: LOCKSTEP_PATIENCE, 1 unless given.
///
/// Bounds of time in tests are those of an idle machine; one that others use too needs more.
package let patience = max(
  1, ProcessInfo.processInfo.environment["LOCKSTEP_PATIENCE"].flatMap(Double.init) ?? 1)

/// What a program that has ended leaves.
package struct ProgramResult: Sendable, CustomStringConvertible {
  /// Its exit status; 128 and the signal's number if a signal ended it.
  package let exitCode: Int32
  package let standardOutput: String
  package let standardError: String
  /// From its start to its end.
  package let seconds: Double

  /// Whether it took less than so many seconds of an idle machine.
  package func tookLess(than bound: Double) -> Bool { seconds < bound * patience }

  package var description: String {
    "exit code \(exitCode) after \(seconds) s\n--- standard output:\n\(standardOutput)"
      + "--- standard error:\n\(standardError)"
  }
}

/// A program could not be started, or did not end in time.
package struct ProgramError: Error, CustomStringConvertible {
  package let description: String
}

package enum Program {
  /// Where the built executables are: beside the program that runs, for tests too.
  package static let productsFolder: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (own as NSString).deletingLastPathComponent
  }()

  /// The path of a built executable, of a program in PATH, or the path itself.
  package static func path(of executable: String) throws -> String {
    if executable.contains("/") { return executable }
    let search = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    for folder in [productsFolder] + search {
      let path = "\(folder)/\(executable)"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw ProgramError(description: "no program \(executable) in \(productsFolder) or in PATH")
  }

  /// Runs a program to its end. One that takes more than `timeout` seconds of an idle machine is ended with all that it
  /// started, and an error is thrown.
  ///
  /// `environment` is added to this process's own, less what launchers and batch systems have put there.
  package static func run(
    executable: String, arguments: [String] = [], environment: [String: String] = [:],
    directory: String? = nil, timeout: Double = 60
  ) throws -> ProgramResult {
    try RunningProgram(
      executable: executable, arguments: arguments, environment: environment, directory: directory
    ).wait(timeout: timeout)
  }

  /// Whether a process runs; one that has ended and that nobody has asked for does not.
  package static func isRunning(_ process: pid_t) -> Bool { ProcessTable.entry(process) != nil }

  static func inheritedEnvironment() -> [String: String] {
    let launchers = ["SLURM_", "PMI_", "PMIX_", "OMPI_COMM_WORLD_", "OMPI_UNIVERSE_", "ORTE_"]
    return ProcessInfo.processInfo.environment.filter { variable in
      !launchers.contains { variable.key.hasPrefix($0) }
    }
  }
}

/// A program under way, in a process group of its own.
package final class RunningProgram {
  package let processID: pid_t
  private let command: String
  private let started = DispatchTime.now().uptimeNanoseconds
  private let output: CaptureFile
  private let errors: CaptureFile
  private var result: ProgramResult?

  /// Starts a program, with nothing on its standard input.
  package init(
    executable: String, arguments: [String] = [], environment: [String: String] = [:],
    directory: String? = nil
  ) throws {
    var command = [try Program.path(of: executable)] + arguments
    // env changes the folder and becomes the program.
    if let directory { command = [try Program.path(of: "env"), "--chdir=\(directory)"] + command }
    self.command = command.joined(separator: " ")
    output = try CaptureFile()
    errors = try CaptureFile()

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)

    let variables = Program.inheritedEnvironment().merging(environment) { $1 }
    var argumentPointers = command.map { strdup($0) } + [nil]
    var variablePointers = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in argumentPointers + variablePointers { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, command[0], &actions, &attributes, &argumentPointers, &variablePointers)
    if code != 0 {
      throw ProgramError(description: "cannot start \(self.command): \(String(cString: strerror(code)))")
    }
    processID = process
  }

  deinit { if result == nil { endEverything() } }

  package var standardOutput: String { output.text }
  package var standardError: String { errors.text }

  /// Sends it a signal; only to it, not to what it has started.
  package func send(_ signal: Int32) { if result == nil { kill(processID, signal) } }

  /// The processes that it has started and those that they have, which still run.
  package func descendants() -> [pid_t] { ProcessTable.descendants(of: processID).map(\.id) }

  /// Returns when it has ended; throws, and ends it with all it has started, if that takes more than
  /// `timeout` seconds of an idle machine from now.
  package func wait(timeout: Double) throws -> ProgramResult {
    if let result { return result }
    if let result = poll(for: timeout * patience) { return result }
    endEverything()
    throw ProgramError(
      description: "\(command) has not ended after \(timeout * patience) s\n"
        + "--- standard output:\n\(output.text)--- standard error:\n\(errors.text)")
  }

  /// The result, if it ends within `seconds`.
  private func poll(for seconds: Double) -> ProgramResult? {
    let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(max(seconds, 0) * 1e9)
    while true {
      var status: Int32 = 0
      if waitpid(processID, &status, WNOHANG) == processID {
        let signal = status & 0x7F
        let ended = ProgramResult(
          exitCode: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, standardOutput: output.text,
          standardError: errors.text,
          seconds: Double(DispatchTime.now().uptimeNanoseconds - started) / 1e9)
        result = ended
        return ended
      }
      if DispatchTime.now().uptimeNanoseconds >= deadline { return nil }
      usleep(3000)
    }
  }

  /// mpirun gives its ranks process groups of their own, so the group alone is not enough: first it is
  /// asked to end them, then they are killed one by one.
  private func endEverything() {
    let processes = ProcessTable.descendants(of: processID)
    kill(processID, SIGTERM)
    if poll(for: 3) == nil {
      kill(-processID, SIGKILL)
      _ = poll(for: 3)
    }
    func isLeft(_ process: ProcessTable.Entry) -> Bool {
      ProcessTable.entry(process.id)?.startTime == process.startTime
    }
    for process in processes where isLeft(process) { kill(process.id, SIGKILL) }
    for _ in 0..<500 where processes.contains(where: isLeft) { usleep(3000) }
  }
}

/// A file without a name that a program writes to. Unlike a pipe it is never full, and is not kept open
/// by whatever outlives the program.
private final class CaptureFile {
  let descriptor: Int32

  init() throws {
    let template = FileManager.default.temporaryDirectory.appendingPathComponent("output-XXXXXX").path
    var path = Array(template.utf8CString)
    descriptor = mkstemp(&path)
    if descriptor < 0 {
      throw ProgramError(description: "no temporary file \(template): \(String(cString: strerror(errno)))")
    }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_APPEND)
  }

  deinit { close(descriptor) }

  var text: String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
