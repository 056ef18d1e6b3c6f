import DistributedScenarios
import Foundation
import Synchronization

/// Whether the tests on emulated clusters are wanted: they need root, iproute2 and Slurm's daemons, and take minutes
/// (`scripts/test --cluster`).
let wantsCluster = ProcessInfo.processInfo.environment["LOCKSTEP_CLUSTER"] == "1"

/// The files of the repository's `cluster` folder.
enum ClusterFiles {
  static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path + "/cluster"

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  static func text(_ name: String) throws -> String {
    try String(contentsOfFile: path(name), encoding: .utf8)
  }

  /// A PATH on which the built `lockstep` is found, and before it what is in some folder.
  static func searchPath(first: String? = nil) -> String {
    let inherited = ProcessInfo.processInfo.environment["PATH"] ?? ""
    return ([first].compactMap(\.self) + [Program.productsFolder, inherited]).joined(separator: ":")
  }
}

/// The variables that let Open MPI work as root.
let asRoot = ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]

/// A Slurm cluster on this machine (`cluster/emulate/slurm`), taken down with the value.
final class EmulatedSlurm {
  static let script = ClusterFiles.path("emulate/slurm")
  let place: Workplace
  let folder: String

  init(in place: Workplace, nodes: Int) throws {
    self.place = place
    folder = place.file("slurm")
    let up = try Program.run(
      executable: Self.script, arguments: ["up", "--folder", folder, "--nodes", "\(nodes)", "--cpus", "2"],
      environment: place.environment)
    guard up.exitCode == 0 else { throw Unexpected("\(up)") }
  }

  deinit { _ = try? call("down") }

  @discardableResult func call(_ arguments: String...) throws -> ProgramResult {
    let command = [arguments[0], "--folder", folder] + arguments.dropFirst()
    let result = try Program.run(
      executable: Self.script, arguments: command, environment: place.environment)
    guard result.exitCode == 0 else { throw Unexpected("\(result)") }
    return result
  }

  /// Nodes that share this machine's name would take each other's memory for their own.
  private var environment: [String: String] {
    let settings = [
      "OMPI_MCA_btl": "self,tcp", "OMPI_MCA_pml": "ob1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    ]
    let own = ["SLURM_CONF": "\(folder)/slurm.conf", "PATH": ClusterFiles.searchPath()]
    return place.environment.merging(own) { $1 }.merging(settings) { $1 }.merging(asRoot) { $1 }
  }

  func run(_ program: String, _ arguments: [String], timeout: Double = 60) throws -> String {
    let result = try Program.run(
      executable: program, arguments: arguments, environment: environment, directory: place.path,
      timeout: timeout)
    guard result.exitCode == 0 else { throw Unexpected("\(program) \(arguments): \(result)") }
    return result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Submits one of the shipped scripts, with options for sbatch before it.
  func submit(_ script: String, options: [String] = [], _ arguments: [String]) throws -> String {
    try run("sbatch", ["--parsable"] + options + [ClusterFiles.path("slurm/\(script)")] + arguments)
  }

  /// A field of `scontrol show job`.
  func field(_ name: String, of job: String) throws -> String {
    let text = try run("scontrol", ["show", "job", job])
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    return words.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) } ?? ""
  }

  func waitFor(_ job: String, toBe states: String..., timeout: Double = 90) throws {
    try waitUntil("job \(job) \(states); its log:\n\(log(job))", timeout: timeout) {
      usleep(200_000)
      return (try? field("JobState", of: job)).map(states.contains) ?? false
    }
  }

  /// What a job has written.
  func log(_ job: String) -> String {
    (try? String(contentsOfFile: place.file("lockstep-\(job).log"), encoding: .utf8)) ?? ""
  }
}

/// Hosts with network namespaces of their own (`cluster/emulate/hosts`), removed with the value.
final class EmulatedHosts {
  static let script = ClusterFiles.path("emulate/hosts")
  /// As root, with Linux's `ip`.
  static let canBeMade =
    getuid() == 0
    && (try? Program.run(executable: "ip", arguments: ["netns", "list"], timeout: 10).exitCode) == 0
  let name: String
  let place: Workplace

  init(in place: Workplace, options: [String] = []) throws {
    self.place = place
    name = Self.freshName
    let up = try Program.run(executable: Self.script, arguments: ["up", "--name", name] + options)
    guard up.exitCode == 0 else { throw Unexpected("\(up)") }
  }

  deinit { _ = try? call(["down"]) }

  private static let made = Mutex(0)

  /// One that nobody else has: letters that tell the process, and a count.
  static var freshName: String {
    let count = made.withLock { count in
      count += 1
      return count
    }
    func letters(_ number: Int) -> String {
      let alphabet = Array("abcdefghijklmnop")
      return String(String(number, radix: 16).compactMap { alphabet[Int(String($0), radix: 16) ?? 0] })
    }
    return "t\(letters(Int(getpid())))z\(letters(count))"
  }

  var hostfile: String { "/run/lockstep-hosts-\(name)/hostfile" }

  private func command(_ arguments: [String]) -> [String] {
    [arguments[0], "--name", name] + arguments.dropFirst()
  }

  @discardableResult func call(_ arguments: [String], timeout: Double = 60) throws -> ProgramResult {
    try Program.run(
      executable: Self.script, arguments: command(arguments), environment: environment, directory: place.path,
      timeout: timeout)
  }

  /// A command on the first host.
  func start(_ arguments: [String]) throws -> RunningProgram {
    try RunningProgram(
      executable: Self.script, arguments: command(["run", "1"] + arguments), environment: environment,
      directory: place.path)
  }

  private var environment: [String: String] {
    place.environment.merging(["PATH": ClusterFiles.searchPath()]) { $1 }
  }
}
