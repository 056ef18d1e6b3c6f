import DistributedScenarios
import Foundation

/// Two hosts on one machine: network namespaces with host names of their own, joined by a bridge, and no sshd. Only root
/// can make them. They go with the value.
final class TwoHosts {
  /// Whether there can be any: as root, with Linux's `ip`.
  static let canBeMade =
    getuid() == 0 && (try? ip("netns", "list").exitCode) == 0 && (try? Program.path(of: "unshare")) != nil

  private let name = "ls\(getpid() % 100_000)"
  private let network = "10.\(100 + getpid() % 100).\(getpid() / 100 % 250)"
  private let place: Workplace

  init(_ place: Workplace) throws {
    self.place = place
    try Self.require("link", "add", "\(name)b", "type", "bridge")
    try Self.require("link", "set", "\(name)b", "up")
    for host in 1...2 {
      let (space, cable) = ("\(name)n\(host)", "\(name)v\(host)")
      try Self.require("netns", "add", space)
      try Self.require("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
      try Self.require("link", "set", cable, "master", "\(name)b")
      try Self.require("link", "set", cable, "up")
      try Self.require("-n", space, "addr", "add", "\(network).\(host)/24", "dev", "eth0")
      for device in ["eth0", "lo"] { try Self.require("-n", space, "link", "set", device, "up") }
    }
    // What mpirun starts its daemon on another host with, in the place of ssh.
    let agent = """
      #!/bin/sh
      host=${1##*.}; shift
      exec ip netns exec \(name)n$host unshare -u sh -c "hostname host$host; $*"
      """
    try place.write(Array(agent.utf8), to: "agent")
    chmod(place.file("agent"), 0o755)
    let hosts = (1...2).map { "\(network).\($0) slots=8\n" }.joined()
    try place.write(Array(hosts.utf8), to: "hosts")
  }

  deinit {
    for host in 1...2 { _ = try? Self.ip("netns", "del", "\(name)n\(host)") }
    _ = try? Self.ip("link", "del", "\(name)b")
  }

  /// Starts the command as so many ranks on each host, mpirun on the first.
  func start(_ arguments: [String], ranksPerHost: Int) throws -> RunningProgram {
    let options: [(String, String)] = [
      ("plm_rsh_agent", place.file("agent")), ("plm", "^slurm"), ("btl_tcp_if_include", "\(network).0/24"),
      ("oob_tcp_if_include", "\(network).0/24"), ("pml", "ob1"), ("btl", "self,vader,tcp"),
      // mpirun itself notices only so that its daemon is gone.
      ("oob_tcp_keepalive_time", "1"), ("oob_tcp_keepalive_intvl", "1"), ("oob_tcp_keepalive_probes", "3"),
    ]
    let command =
      ["mpirun", "--hostfile", "hosts", "--oversubscribe", "--bind-to", "none", "--map-by"]
      + ["ppr:\(ranksPerHost):node"] + options.flatMap { ["--mca", $0, $1] }
      + [try Program.path(of: "lockstep")] + arguments
    return try RunningProgram(
      executable: "ip",
      arguments: [
        "netns", "exec", "\(name)n1", "unshare", "-u", "sh", "-c", "hostname host1; exec \"$@\"", "sh",
      ]
        + command,
      environment: ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"],
      directory: place.path)
  }

  /// Cuts the second host off.
  func cut() throws { try Self.require("link", "set", "\(name)v2", "down") }

  private static func ip(_ arguments: String...) throws -> ProgramResult {
    try Program.run(executable: "ip", arguments: arguments, timeout: 10)
  }

  private static func require(_ arguments: String...) throws {
    let result = try Program.run(executable: "ip", arguments: arguments, timeout: 10)
    if result.exitCode != 0 { throw Unexpected("ip \(arguments.joined(separator: " ")): \(result)") }
  }
}
