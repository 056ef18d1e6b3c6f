import Foundation
import Testing

import Training

private let sapphireRapids = """
  processor\t: 0
  vendor_id\t: GenuineIntel
  cpu family\t: 6
  model\t\t: 143
  model name\t: Intel(R) Xeon(R) Platinum 8481C
  physical id\t: 0
  core id\t\t: 0
  flags\t\t: fpu sse4_1 avx fma avx2 avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16 \
  amx_bf16 amx_tile amx_int8

  processor\t: 1
  vendor_id\t: GenuineIntel
  model name\t: something else
  physical id\t: 0
  core id\t\t: 0
  flags\t\t: fpu

  processor\t: 2
  physical id\t: 0
  core id\t\t: 1

  processor\t: 3
  physical id\t: 0
  core id\t\t: 1

  """

@Suite struct DoctorProcessors {
  @Test func `the first processor names the kind`() {
    let kind = CPUKind(cpuinfo: sapphireRapids)
    #expect(kind.model == "Intel(R) Xeon(R) Platinum 8481C")
    #expect(kind.description == "Intel(R) Xeon(R) Platinum 8481C (GenuineIntel 6/143), avx512_core_amx")
  }

  @Test(arguments: [
    ("sse4_1 avx avx2 fma avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16", "avx512_core_bf16"),
    ("sse4_1 avx avx2 fma avx512f avx512dq avx512bw avx512vl avx512_vnni", "avx512_core_vnni"),
    ("sse4_1 avx avx2 fma avx512f avx512dq avx512bw avx512vl", "avx512_core"),
    ("sse4_1 avx avx2 fma avx512f avx512cd", "avx2"), ("sse4_1 avx avx2 fma avx_vnni", "avx2_vnni"),
    ("sse4_1 avx avx2 fma", "avx2"), ("sse4_1 avx avx2", "avx"), ("sse4_1", "sse41"), ("fpu", "other"),
  ])
  func `flags become the level that kernels are chosen by`(flags: String, level: String) {
    let text = "processor: 0\nvendor_id: AuthenticAMD\ncpu family: 25\nmodel: 1\nflags: \(flags)\n"
    let kind = CPUKind(cpuinfo: text)
    #expect(kind.instructionSet.rawValue == level)
    #expect(kind.description == "AuthenticAMD 25/1, \(level)")
  }

  @Test func `other architectures and empty texts have a kind too`() {
    let arm = "processor : 0\nFeatures : fp asimd sve\nCPU implementer : 0x41\nCPU part : 0xd40\n"
    #expect(CPUKind(cpuinfo: arm).description == "ARM 0x41/0xd40, sve")
    #expect(CPUKind(cpuinfo: "").description == "unknown, other")
  }

  @Test func `processors are counted with cores, affinity and quota`() {
    let count = ProcessorCount(
      cpuinfo: sapphireRapids, status: "Name:\tx\nCpus_allowed_list:\t0-1,3\n", quota: 1.5)
    #expect(count.online == 4)
    #expect(count.physicalCores == 2)
    #expect(count.allowed == 3)
    #expect(count.usable == 1)
    let free = ProcessorCount(cpuinfo: sapphireRapids, status: "", quota: nil)
    #expect(free.allowed == 4 && free.usable == 4)
  }

  @Test(arguments: [
    ("0", 1), ("0-3", 4), (" 0-3,8,10-11\n", 7), ("", nil), ("x", nil), ("3-1", nil), ("1-2-3", nil),
  ])
  func `lists of processors are counted`(list: String, count: Int?) {
    #expect(ProcessorCount.count(list: list) == count)
  }
}

@Suite struct DoctorControlGroups {
  @Test func `the tightest limit from the own group outwards counts`() {
    let files = [
      "/sys/fs/cgroup/cpu.max": "400000 100000\n", "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "/sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "/sys/fs/cgroup/a/b/memory.max": "max\n",
      "/sys/fs/cgroup/a/memory.max": "1073741824\n", "/sys/fs/cgroup/memory.max": "max\n",
    ]
    let group = ControlGroup(membership: "0::/a/b\n") { files[$0] }
    #expect(group == ControlGroup(processors: 1.5, memory: 1_073_741_824))
  }

  @Test func `a container that sees its own group as the outermost is understood`() {
    let group = ControlGroup(membership: "0::/docker/12ab") { path in
      path == "/sys/fs/cgroup/cpu.max" ? "50000 100000" : nil
    }
    #expect(group == ControlGroup(processors: 0.5, memory: nil))
  }

  @Test func `the first version of control groups is understood`() {
    let files = [
      "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "200000\n",
      "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "536870912\n",
    ]
    let group = ControlGroup(membership: "4:memory:/x\n2:cpu,cpuacct:/x\n1:name=systemd:/\n") { files[$0] }
    #expect(group == ControlGroup(processors: 2, memory: 536_870_912))
  }

  @Test func `no limits are no limits`() {
    #expect(ControlGroup(membership: "") { _ in nil } == ControlGroup(processors: nil, memory: nil))
    #expect(
      ControlGroup(membership: "nonsense\n::") { _ in "x" } == ControlGroup(processors: nil, memory: nil))
  }
}

@Suite struct DoctorLauncher {
  @Test func `environments tell who started a rank`() {
    let openMPI = LaunchEnvironment([
      "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
      "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0",
    ])
    #expect(
      openMPI.launcher == "Open MPI" && openMPI.rank == 3 && openMPI.size == 8 && openMPI.localSize == 4)
    #expect(openMPI.unconnectedTasks == nil)
    let pmix = LaunchEnvironment(["PMIX_RANK": "1", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"])
    #expect(pmix.launcher == "PMI" && pmix.rank == 1 && pmix.size == 4 && pmix.unconnectedTasks == nil)
    let alone = LaunchEnvironment([:])
    #expect(alone.launcher == nil && alone.unconnectedTasks == nil)
    #expect(
      LaunchEnvironment(["SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"]).unconnectedTasks
        == 4)
    // A batch script has tasks to start, but is none of them.
    #expect(LaunchEnvironment(["SLURM_NTASKS": "4"]).unconnectedTasks == nil)
  }

  @Test func `programs are run with their output, their status and a deadline`() throws {
    let shell = try #require(LauncherProbe.find("sh", searchPath: "/nonexistent:/bin:/usr/bin"))
    #expect(LauncherProbe.find("sh", searchPath: "/nonexistent") == nil)
    let (status, output) = LauncherProbe.execute(
      shell, ["-c", "echo out; echo err >&2; exit 7"], timeout: 20)
    #expect(status == 7)
    #expect(output.contains("out") && output.contains("err"))
    let (killed, _) = LauncherProbe.execute(shell, ["-c", "kill -9 $$"], timeout: 20)
    #expect(killed == 137)
    let begin = MonotonicTime.seconds
    let (late, said) = LauncherProbe.execute(shell, ["-c", "echo begun; exec sleep 60"], timeout: 0.5)
    #expect(late == nil)
    #expect(said.contains("begun"))
    #expect(MonotonicTime.seconds - begin < 40)
    #expect(LauncherProbe.execute("/nonexistent/program", [], timeout: 1).0 == -1)
  }

  private func check(_ trial: LauncherProbe.Trial, _ version: String = "mpirun (Open MPI) 4.1.4\n")
    -> DoctorCheck
  {
    Doctor.mpirun(LauncherProbe(path: "/usr/bin/mpirun", version: version, trial: trial), isRoot: false)
  }

  @Test func `what mpirun did is judged`() {
    #expect(check(.worked).state == .ok)
    #expect(check(.worked).found.contains("Open MPI 4.1.4"))
    let failed = check(.failed(status: 1, output: "-----\nThere are not enough slots available\n-----"))
    #expect(failed.state == .problem && failed.found.contains("not enough slots"))
    #expect(failed.fix?.contains("--oversubscribe") == true)
    #expect(check(.failed(status: 1, output: "ssh not found")).fix?.contains("OMPI_MCA_plm=isolated") == true)
    #expect(check(.timedOut(seconds: 20)).state == .problem)
    #expect(check(.worked, "HYDRA build details:\n Version: 4.0.2").state == .problem)
    let none = LauncherProbe(path: nil, version: "", trial: .skipped(""))
    #expect(Doctor.mpirun(none, isRoot: false).fix?.contains("openmpi-bin") == true)
  }

  @Test func `the library is compared with the command`() {
    let probe = LauncherProbe(path: "/usr/bin/mpirun", version: "mpirun (Open MPI) 4.1.4\n", trial: .worked)
    let full = "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022"
    #expect(Doctor.mpiLibrary(full, launcher: probe) == DoctorCheck("MPI library", .ok, "Open MPI v4.1.4"))
    #expect(Doctor.mpiLibrary("Open MPI v5.0.3, package", launcher: probe).state == .warning)
    #expect(Doctor.mpiLibrary("MPICH Version: 4.0.2\nMPICH Release date", launcher: probe).state == .problem)
    #expect(Doctor.mpiLibrary(nil, launcher: probe).state == .problem)
  }
}

@Suite struct DoctorChecks {
  private func processors(_ online: Int, allowed: String? = nil, quota: Double? = nil) -> ProcessorCount {
    ProcessorCount(
      cpuinfo: (0..<online).map { "processor: \($0)\nphysical id: 0\ncore id: \($0)\n" }.joined(
        separator: "\n"),
      status: allowed.map { "Cpus_allowed_list: \($0)" } ?? "", quota: quota)
  }

  @Test func `cores are ok, or limited with the fix`() {
    #expect(Doctor.cores(processors(8)).state == .ok)
    #expect(Doctor.cores(processors(8)).found.contains("up to 8 ranks"))
    #expect(Doctor.cores(processors(8, quota: 16)).state == .ok)
    let limited = Doctor.cores(processors(8, quota: 2))
    #expect(limited.state == .warning && limited.fix?.contains("at most 2 ranks") == true)
    #expect(Doctor.cores(processors(8, quota: 0.5)).fix?.contains("less than one core") == true)
  }

  @Test func `memory counts what is available and granted`() {
    func check(_ available: Int, limit: Double? = nil) -> DoctorCheck.State {
      Doctor.memory(
        meminfo: "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable:   \(available) kB\n", limit: limit
      ).state
    }
    #expect(check(4_194_304) == .ok)
    #expect(check(1_000_000) == .warning)
    #expect(check(100_000) == .problem)
    #expect(check(4_194_304, limit: 0x1p29) == .warning)
    #expect(check(4_194_304, limit: 0x1p27) == .problem)
    #expect(check(4_194_304, limit: 0x1p50) == .ok)
    #expect(Doctor.memory(meminfo: "", limit: nil).state == .warning)
  }

  @Test func `ranks that share cores are warned`() {
    let environment = [
      "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    ]
    func check(_ count: ProcessorCount, threads: Int, _ environment: [String: String]) -> DoctorCheck {
      Doctor.ranks(LaunchEnvironment(environment), processors: count, threads: threads)
    }
    #expect(check(processors(8, allowed: "0"), threads: 1, environment).state == .ok)
    let bound = check(processors(8, allowed: "0"), threads: 4, environment)
    #expect(bound.state == .warning && bound.fix?.contains("PE=4") == true)
    #expect(check(processors(4), threads: 4, environment).state == .warning)
    #expect(check(processors(8), threads: 4, environment).state == .ok)
    #expect(check(processors(8), threads: 4, [:]).state == .ok)
    let split = check(
      processors(8), threads: 1, ["SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"])
    #expect(split.state == .problem && split.fix?.contains("--mpi=pmix") == true)
  }

  @Test func `folders are judged by their space and by whether they can be written`() {
    typealias Folder = DoctorInputs.Folder
    #expect(Doctor.sharedMemory(Folder(path: "/dev/shm", failure: nil, free: 0x1p30)).state == .ok)
    #expect(
      Doctor.sharedMemory(Folder(path: "/dev/shm", failure: nil, free: 0x1p26)).fix?.contains("--shm-size")
        == true)
    #expect(
      Doctor.sharedMemory(Folder(path: "/dev/shm", failure: "Permission denied", free: 1e9)).state == .problem
    )
    #expect(Doctor.runFolder(Folder(path: "/x", failure: nil, free: 1e9)).state == .ok)
    #expect(Doctor.runFolder(Folder(path: "/x", failure: nil, free: 1e6)).state == .warning)
    #expect(
      Doctor.runFolder(Folder(path: "/x", failure: "Read-only file system", free: 1e9)).state == .problem)
  }

  @Test func `a folder is looked at by writing, and left as it was`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "lockstep-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(DoctorInputs.nearestFolder(to: folder.path + "/not/yet") == folder.path)
    let looked = DoctorInputs.look(at: folder.path)
    #expect(looked.failure == nil)
    #expect((looked.free ?? 0) > 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    #expect(DoctorInputs.look(at: folder.path + "/none").failure != nil)
  }

  @Test func `a build for debugging and a missing library are said`() {
    var inputs = DoctorInputs()
    #expect(Doctor.build(inputs).state == .ok)
    inputs.isOptimized = false
    #expect(Doctor.build(inputs).state == .warning)
    #expect(Doctor.oneDNN("2.6.3") == DoctorCheck("oneDNN", .ok, "2.6.3"))
    #expect(Doctor.oneDNN(nil).state == .problem)
    #expect(Doctor.processor(CPUKind(cpuinfo: sapphireRapids)).state == .ok)
    #expect(Doctor.processor(CPUKind(cpuinfo: "vendor_id: x\nflags: sse4_1")).state == .warning)
  }

  @Test func `the report is a table within its width, and its exit code follows from problems only`() {
    let long = "word " + String(repeating: "and more words ", count: 20)
    var report = DoctorReport(checks: [
      DoctorCheck("build", .ok, "fine"), DoctorCheck("shared memory", .warning, long, fix: long),
    ])
    #expect(report.exitCode == 0)
    let text = report.text(width: 70)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.count <= 70 })
    #expect(lines[0] == "  ok       build          fine")
    #expect(lines[1].hasPrefix("  warning  shared memory  word and more"))
    #expect(lines.contains { $0.hasPrefix(String(repeating: " ", count: 26) + "> word and") })
    #expect(text.contains("1 warning; what to do"))
    #expect(!text.contains("\u{1B}") && report.text(color: true).contains("\u{1B}[33mwarning\u{1B}[0m"))
    report.checks.append(DoctorCheck("mpirun", .problem, "not on the PATH", fix: "Install it."))
    #expect(report.exitCode == 1)
    #expect(DoctorReport(checks: [DoctorCheck("build", .ok, "fine")]).text().contains("Ready to train."))
  }

  @Test func `this very machine can be examined`() {
    let inputs = DoctorInputs.gather(version: "0", mpiLibrary: nil, oneDNN: nil)
    let report = Doctor.examine(inputs)
    #expect(report.exitCode == 1)
    #expect(report.checks.count == 10)
    #expect(Set(report.checks.map(\.name)).count == 10)
    #expect(report.checks.allSatisfy { $0.state == .ok || $0.fix != nil })
    #expect(DoctorInputs.cpuKind.description != "unknown, other")
  }
}
