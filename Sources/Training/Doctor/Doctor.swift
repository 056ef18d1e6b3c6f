/// `lockstep doctor`: whether this machine can train, how well, and what to do if not.
///
/// Every check is a function of what was gathered, and says what was found even where all is well, so that
/// the table is also a description of the machine.
public enum Doctor {
  public static func examine(_ inputs: DoctorInputs) -> DoctorReport {
    let launch = LaunchEnvironment(inputs.environment)
    let processors = ProcessorCount(
      cpuinfo: inputs.cpuinfo, status: inputs.status, quota: inputs.controlGroup.processors)
    return DoctorReport(checks: [
      build(inputs),
      processor(CPUKind(cpuinfo: inputs.cpuinfo)),
      cores(processors),
      memory(meminfo: inputs.meminfo, limit: inputs.controlGroup.memory),
      oneDNN(inputs.oneDNN),
      mpiLibrary(inputs.mpiLibrary, launcher: inputs.launcher),
      mpirun(inputs.launcher, isRoot: inputs.isRoot),
      ranks(launch, processors: processors, threads: inputs.threads),
      sharedMemory(inputs.sharedMemory),
      runFolder(inputs.runFolder),
    ])
  }

  package static func build(_ inputs: DoctorInputs) -> DoctorCheck {
    let found = "lockstep \(inputs.version), Swift \(inputs.swiftVersion)"
    return inputs.isOptimized
      ? DoctorCheck("build", .ok, found + ", optimized")
      : DoctorCheck(
        "build", .warning, found + ", for debugging: many times slower",
        fix: "Build with: swift build -c release")
  }

  // MARK: - Machine

  package static func processor(_ kind: CPUKind) -> DoctorCheck {
    switch kind.instructionSet {
    case .other:
      DoctorCheck(
        "processor", .warning, kind.description,
        fix: "No vector instructions that are known here; training works, but slowly.")
    case .sse41, .avx:
      DoctorCheck(
        "processor", .warning, kind.description,
        fix: "Processors with avx2 or avx512 compute several times as fast.")
    default: DoctorCheck("processor", .ok, kind.description)
    }
  }

  package static func cores(_ count: ProcessorCount) -> DoctorCheck {
    var parts = ["\(count.online) online"]
    if let cores = count.physicalCores, cores != count.online { parts.append("on \(cores) cores") }
    if count.allowed != count.online { parts.append("\(count.allowed) allowed to this process") }
    if let quota = count.quota { parts.append("a quota of \(NumberText.fixed(quota, 1))") }
    let found = parts.joined(separator: ", ")
    let ranks = min(count.usable, count.physicalCores ?? count.usable)
    if let quota = count.quota, quota < 1 {
      return DoctorCheck(
        "cores", .warning, found,
        fix:
          "The container grants less than one core; raise its limit "
          + "(docker run --cpus, or resources.limits.cpu)."
      )
    }
    if let quota = count.quota, quota < Double(count.allowed) {
      return DoctorCheck(
        "cores", .warning, found,
        fix: "The container may use \(count.usable) at a time: start at most \(ranks) "
          + "rank\(ranks == 1 ? "" : "s") of one thread, without binding (mpirun --bind-to none), "
          + "or raise its limit.")
    }
    return DoctorCheck("cores", .ok, found + "; up to \(ranks) rank\(ranks == 1 ? "" : "s") of one thread")
  }

  /// - Parameters:
  ///   - meminfo: the text of `/proc/meminfo`.
  ///   - limit: bytes that the container grants.
  package static func memory(meminfo: String, limit: Double?) -> DoctorCheck {
    func value(_ key: String) -> Double? {
      guard let line = meminfo.split(separator: "\n").first(where: { $0.hasPrefix(key + ":") }) else {
        return nil
      }
      // The unit is always kB, meaning KiB.
      return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }.map {
        $0 * 1024
      }
    }
    guard let available = value("MemAvailable"), let total = value("MemTotal") else {
      return DoctorCheck("memory", .warning, "not known", fix: "/proc/meminfo could not be read.")
    }
    var found = "\(NumberText.bytes(available)) available of \(NumberText.bytes(total))"
    var usable = available
    if let limit, limit < total {
      found += ", limited to \(NumberText.bytes(limit))"
      usable = min(usable, limit)
    }
    if usable < 0x1p28 {
      return DoctorCheck(
        "memory", .problem, found,
        fix: "Small models need about 100 MiB a rank: close other programs, or raise the container's limit.")
    }
    if usable < 0x1p30 {
      return DoctorCheck(
        "memory", .warning, found, fix: "Enough for small models on a few ranks; see: lockstep plan CONFIG")
    }
    return DoctorCheck("memory", .ok, found)
  }

  // MARK: - Libraries

  package static func oneDNN(_ version: String?) -> DoctorCheck {
    guard let version, !version.isEmpty else {
      return DoctorCheck(
        "oneDNN", .problem, "not found", fix: "Install it: sudo apt install libdnnl-dev (Debian, Ubuntu).")
    }
    return DoctorCheck("oneDNN", .ok, version)
  }

  package static func mpiLibrary(_ version: String?, launcher: LauncherProbe) -> DoctorCheck {
    guard let version, !version.isEmpty else {
      return DoctorCheck(
        "MPI library", .problem, "not found",
        fix: "Install it: sudo apt install libopenmpi-dev openmpi-bin (Debian, Ubuntu). "
          + "Training on one rank works without.")
    }
    // The full text names the packager, the build's date and more.
    let short = String(version.split(separator: ",").first ?? "").split(separator: "\n").first.map(
      String.init)
    let found = short ?? version
    guard found.contains("Open MPI") else {
      return DoctorCheck(
        "MPI library", .problem, found,
        fix:
          "Lockstep was built against Open MPI; put its libraries first (LD_LIBRARY_PATH), "
          + "or load its module."
      )
    }
    if let library = numbers(in: found), let command = numbers(in: launcher.version),
      launcher.version.contains("Open MPI"), library.prefix(2) != command.prefix(2)
    {
      return DoctorCheck(
        "MPI library", .warning,
        "\(found), but mpirun is of \(command.map { "\($0)" }.joined(separator: "."))",
        fix: "Use the mpirun that belongs to the library: put its folder first in PATH.")
    }
    return DoctorCheck("MPI library", .ok, found)
  }

  package static func mpirun(_ probe: LauncherProbe, isRoot: Bool) -> DoctorCheck {
    guard let path = probe.path else {
      return DoctorCheck(
        "mpirun", .problem, "not on the PATH",
        fix:
          "Install it: sudo apt install openmpi-bin (Debian, Ubuntu), or on a cluster: module load openmpi. "
          + "Training on one rank works without.")
    }
    let line = probe.version.split(separator: "\n").first.map(String.init) ?? "version unknown"
    guard probe.version.contains("Open MPI") || probe.version.contains("OpenRTE") else {
      return DoctorCheck(
        "mpirun", .problem, "\(path): \(line)",
        fix: "This is not Open MPI's: put Open MPI's folder first in PATH "
          + "(on Debian: sudo update-alternatives --config mpirun).")
    }
    let version = numbers(in: line).map { "Open MPI " + $0.map { "\($0)" }.joined(separator: ".") } ?? line
    let found = "\(path), \(version)"
    switch probe.trial {
    case .worked:
      guard isRoot else { return DoctorCheck("mpirun", .ok, found + "; started two processes") }
      return DoctorCheck(
        "mpirun", .ok, found + "; started two processes (as root: needs --allow-run-as-root)")
    case .skipped(let reason): return DoctorCheck("mpirun", .ok, "\(found); not tried: \(reason)")
    case .failed(let status, let output):
      let words = output.split(separator: "\n").map(\.trimmed).filter {
        !$0.isEmpty && !$0.allSatisfy { $0 == "-" }
      }
      let said = words.prefix(2).joined(separator: " ")
      var fix = "Try it by hand: mpirun -np 2 \(isRoot ? "--allow-run-as-root " : "")hostname"
      if output.contains("slots") { fix += " (add --oversubscribe where there are fewer cores than ranks)" }
      if output.contains("ssh") || output.contains("rsh") {
        fix =
          "mpirun looks for ssh even on one machine: install openssh-client, or export OMPI_MCA_plm=isolated"
      }
      return DoctorCheck(
        "mpirun", .problem, "\(found); failed with status \(status)\(said.isEmpty ? "" : ": \(said)")",
        fix: fix)
    case .timedOut(let seconds):
      return DoctorCheck(
        "mpirun", .problem, "\(found); still not done after \(NumberText.fixed(seconds, 0)) s",
        fix: "Often a firewall or the name of the host: try mpirun -np 2 --mca oob_tcp_if_include lo hostname"
      )
    }
  }

  // MARK: - Where ranks run

  package static func ranks(
    _ launch: LaunchEnvironment, processors: ProcessorCount, threads: Int
  ) -> DoctorCheck {
    if let tasks = launch.unconnectedTasks {
      return DoctorCheck(
        "ranks", .problem, "Slurm started \(tasks) tasks that know nothing of each other",
        fix: "Start them with srun --mpi=pmix, or with mpirun inside sbatch.")
    }
    guard let launcher = launch.launcher else {
      return DoctorCheck("ranks", .ok, "one: not started by mpirun or srun")
    }
    let place = launch.rank.map { "rank \($0)" } ?? "a rank"
    let found =
      "\(place)\(launch.size.map { " of \($0)" } ?? "") under \(launcher), may use \(processors.allowed) of "
      + "\(processors.online) processors with \(threads) thread\(threads == 1 ? "" : "s")"
    if processors.allowed < threads {
      return DoctorCheck(
        "ranks", .warning, found,
        fix: "Threads share a core: \(PlacementFault.binding(threads: threads))")
    }
    let wanted = (launch.localSize ?? 1) * threads
    if wanted > processors.online {
      return DoctorCheck(
        "ranks", .warning, found + "; this machine's ranks want \(wanted)",
        fix:
          "Ranks take turns on the cores: start at most \(max(1, processors.online / max(1, threads))) here.")
    }
    return DoctorCheck("ranks", .ok, found)
  }

  // MARK: - Files

  package static func sharedMemory(_ folder: DoctorInputs.Folder) -> DoctorCheck {
    let free = folder.free.map { "\(NumberText.bytes($0)) free" } ?? "free space not known"
    if let failure = folder.failure {
      return DoctorCheck(
        "shared memory", .problem, "\(folder.path): \(failure)",
        fix: "Ranks of one machine meet there: mount it (mount -t tmpfs tmpfs \(folder.path)), "
          + "or make it writable for this user.")
    }
    // Docker's default is 64 MiB, of which a few ranks use a part before any weights.
    if let bytes = folder.free, bytes < 0x1p27 {
      return DoctorCheck(
        "shared memory", .warning, "\(folder.path): \(free)",
        fix: "Enough for small models only: give the container more (docker run --shm-size=1g).")
    }
    return DoctorCheck("shared memory", .ok, "\(folder.path): \(free)")
  }

  package static func runFolder(_ folder: DoctorInputs.Folder) -> DoctorCheck {
    let free = folder.free.map { "\(NumberText.bytes($0)) free" } ?? "free space not known"
    if let failure = folder.failure {
      return DoctorCheck(
        "run folder", .problem, "\(folder.path): \(failure)",
        fix: "Name a folder that can be written: lockstep train CONFIG --out FOLDER")
    }
    if let bytes = folder.free, bytes < 0x1p28 {
      return DoctorCheck(
        "run folder", .warning, "\(folder.path): \(free)",
        fix: "Checkpoints may not fit: free some space, or name another disk with --out FOLDER")
    }
    return DoctorCheck("run folder", .ok, "\(folder.path): \(free)")
  }

  /// The first number with points in a text, `4.1.4`, in its parts.
  package static func numbers(in text: String) -> [Int]? {
    for word in text.split(whereSeparator: { !$0.isNumber && $0 != "." }) {
      let parts = word.split(separator: ".").map { Int($0) }
      let numbers = parts.compactMap { $0 }
      if numbers.count >= 2, numbers.count == parts.count { return numbers }
    }
    return nil
  }
}
