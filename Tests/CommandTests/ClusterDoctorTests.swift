import DistributedScenarios
import Foundation
import Testing

/// `lockstep doctor --cluster` on real ranks, well placed and not.
@Suite(.serialized) struct ClusterDoctorTests {
  private static let mpirun = ["--oversubscribe", "--bind-to", "none", "--allow-run-as-root"]
  private static let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))

  /// Ranks by their programs, each with arguments of its own.
  private func doctor(
    _ place: Workplace, _ ranks: [(program: String, arguments: [String])], options: [String] = []
  ) throws -> ProgramResult {
    let parts = ranks.map { ["-np", "1", $0.program, "doctor", "--cluster"] + $0.arguments }
    return try Program.run(
      executable: "mpirun", arguments: Self.mpirun + options + Array(parts.joined(separator: [":"])),
      directory: place.path)
  }

  /// The lines of a check: its state, its name and what was found, in one.
  private func check(_ name: String, in result: ProgramResult) -> String {
    var lines: [Substring] = []
    var isInside = false
    for line in result.standardOutput.split(separator: "\n") {
      let words = line.split(separator: " ")
      if let first = words.first, ["ok", "warning", "problem"].contains(String(first)), line.hasPrefix("  ") {
        isInside = words.dropFirst().joined(separator: " ").hasPrefix(name)
      }
      if isInside { lines += words }
    }
    return lines.joined(separator: " ")
  }

  @Test(arguments: [1, 2, 4]) func ranksAreDescribed(_ ranks: Int) throws {
    let place = try Workplace()
    let result = try place.lockstep(["doctor", "--cluster"], ranks: ranks)
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.tookLess(than: 15), "\(result)")
    #expect(check("program", in: result).hasPrefix("ok program lockstep "), "\(result)")
    #expect(check("libraries", in: result).contains("Open MPI v"), "\(result)")
    #expect(check("run folder", in: result).hasPrefix("ok"), "\(result)")
    if ranks == 1 {
      #expect(check("ranks", in: result).hasPrefix("warning ranks one"), "\(result)")
    } else {
      #expect(check("ranks", in: result).hasPrefix("ok ranks \(ranks), all on "), "\(result)")
      #expect(check("transport", in: result).contains("shared memory (vader) inside machines"), "\(result)")
      #expect(check("inside machines", in: result).contains("each way (ranks 0 and 1)"), "\(result)")
      #expect(check("allreduce", in: result).contains("µs for one number"), "\(result)")
    }
    if ranks > Self.processors {
      #expect(check("binding", in: result).hasPrefix("warning"), "\(result)")
      #expect(
        check("binding", in: result).contains("\(ranks) ranks share \(Self.processors) processors"),
        "\(result)")
    }
    #expect(try place.names("").isEmpty, "it leaves nothing behind")
  }

  @Test(.enabled(if: processors > 1)) func ranksOnOneCoreAreTold() throws {
    let place = try Workplace()
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let core = try #require(status.firstMatch(of: /Cpus_allowed_list:\s*([0-9]+)/)).1
    func onOneCore(_ arguments: [String]) throws -> ProgramResult {
      try Program.run(
        executable: "taskset",
        arguments: ["-c", "\(core)", "mpirun", "-np", "2"] + Self.mpirun + [try Program.path(of: "lockstep")]
          + arguments,
        directory: place.path)
    }
    let result = try onOneCore(["doctor", "--cluster"])
    #expect(result.exitCode == 0, "\(result)")
    let binding = check("binding", in: result)
    #expect(binding.hasPrefix("warning") && binding.contains("ranks 0, 1 on"), "\(result)")
    #expect(binding.contains("share 1 core of \(Self.processors)"), "\(result)")
    #expect(binding.contains("--bind-to core") && binding.contains("--cpu-bind=cores"), "\(result)")

    // A training says the same at its start, once.
    let training = try onOneCore(smallRun + ["--out", "run"])
    #expect(training.exitCode == 0, "\(training)")
    let warnings = training.standardError.split(separator: "\n").filter { $0.contains("share 1 core of") }
    #expect(warnings.count == 1 && warnings[0].contains("--bind-to core"), "\(training)")
    let well = try place.lockstep(smallRun + ["--out", "well"], ranks: 2)
    #expect(!well.standardError.contains("share"), "\(well)")
  }

  @Test(.enabled(if: processors > 1)) func threadsOnOneCoreAreTold() throws {
    let place = try Workplace()
    let result = try Program.run(
      executable: "mpirun",
      arguments: ["-np", "1", "--bind-to", "core", "--allow-run-as-root", try Program.path(of: "lockstep")]
        + ["doctor", "--cluster", "--threads", "2"], directory: place.path)
    #expect(result.exitCode == 0, "\(result)")
    #expect(check("binding", in: result).contains("may use 1 core of"), "\(result)")
    #expect(check("binding", in: result).contains("slot:PE=2"), "\(result)")
  }

  @Test func unequalProgramsAreAProblem() throws {
    let place = try Workplace()
    let program = try Program.path(of: "lockstep")
    let other = try place.writeOtherLockstep()
    let result = try doctor(place, [(program, []), (other, []), (program, [])])
    #expect(result.exitCode == 1, "\(result)")
    let found = check("program", in: result)
    #expect(found.hasPrefix("problem") && found.contains("ranks 0, 2: lockstep"), "\(result)")
    #expect(found.contains("rank 1: lockstep") && found.contains("(\(other) on "), "\(result)")
    #expect(found.contains("one build on all machines"), "\(result)")
  }

  @Test func aFolderThatOneRankDoesNotSeeIsTold() throws {
    let place = try Workplace()
    let program = try Program.path(of: "lockstep")
    for name in ["here", "there"] {
      try FileManager.default.createDirectory(atPath: place.file(name), withIntermediateDirectories: true)
    }
    let result = try doctor(place, [(program, ["--out", "here"]), (program, ["--out", "there/run"])])
    #expect(result.exitCode == 0, "\(result)")
    let folder = check("run folder", in: result)
    #expect(folder.hasPrefix("warning") && folder.contains("rank 1 on"), "\(result)")
    #expect(
      folder.contains(place.file("here")) && folder.contains("look in \(place.file("there"))"), "\(result)")
    #expect(folder.contains("mpirun --wdir"), "\(result)")
    #expect(try place.names("here").isEmpty && place.names("there").isEmpty)
  }

  /// Not through the file system either: a rank that sees the same path, but another file system in its place.
  @Test(.enabled(if: getuid() == 0)) func aFolderThatIsNotMountedEverywhereIsTold() throws {
    let place = try Workplace()
    let program = try Program.path(of: "lockstep")
    try place.writeProgram(
      """
      #!/bin/sh
      exec unshare -m sh -c 'mount -t tmpfs tmpfs "$0" && cd "$0" && exec "$@"' "$PWD" "$@"
      """, to: "apart")
    try FileManager.default.createDirectory(atPath: place.file("runs"), withIntermediateDirectories: true)
    let cluster = ["doctor", "--cluster", "--out", place.file("runs")]
    let result = try Program.run(
      executable: "mpirun",
      arguments: Self.mpirun + ["--wdir", place.file("runs"), "-np", "1", program] + cluster
        + [":", "--wdir", place.file("runs"), "-np", "1", place.file("apart"), program] + cluster,
      directory: place.path)
    #expect(result.exitCode == 0, "\(result)")
    let folder = check("run folder", in: result)
    #expect(
      folder.hasPrefix("warning") && folder.contains("does not see a file that rank 0 wrote"), "\(result)")
    #expect(folder.contains("that all machines mount"), "\(result)")
  }

  /// A rank that never comes: the library would wait for ever.
  @Test func aRankThatDoesNotComeIsTold() throws {
    let place = try Workplace()
    let result = try Program.run(
      executable: "mpirun",
      arguments: Self.mpirun + [
        "-np", "1", try Program.path(of: "lockstep"), "doctor", "--cluster", "--timeout", "2s",
      ]
        + [":", "-np", "1", "sleep", "30"], directory: place.path, timeout: 20)
    #expect(result.exitCode == 1, "\(result)")
    #expect(result.tookLess(than: 15), "\(result)")
    #expect(check("ranks", in: result).contains("still joining the other ranks"), "\(result)")
    #expect(check("ranks", in: result).contains("btl_tcp_if_include"), "\(result)")
  }

  @Test func tasksThatAreNotConnectedAreTold() throws {
    let place = try Workplace()
    for task in 0...1 {
      let result = try Program.run(
        executable: "lockstep", arguments: ["doctor", "--cluster"],
        environment: ["SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_PROCID": "\(task)"],
        directory: place.path)
      #expect(result.exitCode == 1, "\(result)")
      #expect(result.standardOutput.isEmpty == (task == 1), "one of them speaks: \(result)")
      if task == 0 {
        #expect(check("ranks", in: result).contains("2 tasks that know nothing of each other"), "\(result)")
        #expect(check("ranks", in: result).contains("srun --mpi=pmix"), "\(result)")
      }
    }
  }
}
