/// Which hosts a launch still uses, and how many ranks they make.
package struct LaunchHosts: Sendable {
  /// The ranks that were asked for.
  let wanted: Int
  private let hostfile: Hostfile?
  /// Hosts that have failed, and why.
  private(set) var leftOut: [(name: String, reason: String)] = []
  /// The host that the last failure named, if there has been no progress since.
  private var suspect: String?

  package init(ranks: Int, hostfile: Hostfile?) {
    wanted = ranks
    self.hostfile = hostfile
  }

  /// Empty where mpirun chooses them by itself.
  package var remaining: [Hostfile.Host] {
    (hostfile?.hosts ?? []).filter { host in !leftOut.contains { $0.name == host.name } }
  }

  /// All the ranks asked for, or as many of them as the hosts that remain have slots for; where more ranks than slots
  /// were asked for, their part of them.
  package var ranks: Int {
    guard let hostfile, !leftOut.isEmpty else { return wanted }
    // A host that does not say how many it takes counts as an equal part.
    let equal = (wanted + hostfile.hosts.count - 1) / hostfile.hosts.count
    func slots(_ hosts: [Hostfile.Host]) -> Int { hosts.reduce(0) { $0 + ($1.slots ?? equal) } }
    let (all, left) = (slots(hostfile.hosts), slots(remaining))
    return max(1, wanted > all ? wanted * left / all : min(wanted, left))
  }

  /// What tells mpirun of the hosts: the file as it is, or by name those that remain.
  package var arguments: [String] {
    guard let hostfile else { return [] }
    if leftOut.isEmpty { return ["--hostfile", hostfile.path] }
    let names = remaining.map { "\($0.name):\($0.slots.map(String.init) ?? "*")" }
    return ["--host", names.joined(separator: ",")]
  }

  /// The listed host that a machine's own name belongs to; `node1.cluster` is `node1`, and a user's name before it does
  /// not count.
  package func listed(_ name: String) -> String? {
    func isSame(_ one: Substring, _ other: Substring) -> Bool {
      one == other || one.split(separator: ".").first == other.split(separator: ".").first
    }
    func bare(_ name: String) -> Substring { name.split(separator: "@").last ?? "" }
    let names = remaining.map(\.name)
    return names.first { bare($0) == bare(name) } ?? names.first { isSame(bare($0), bare(name)) }
  }

  /// Notes what a failed run says of hosts, and leaves out those that are lost, and the one on which a rank failed twice
  /// in a row. The last host always stays.
  ///
  /// - Parameters:
  ///   - lost: Hosts that cannot be reached, or hang, and why.
  ///   - crashed: The host of the rank that ended first.
  ///   - progressed: Whether there is a newer checkpoint than at the last failure.
  /// - Returns: the hosts that are left out from now on, and why.
  package mutating func judge(
    lost: [(name: String, reason: String)], crashed: String?, progressed: Bool
  ) -> [(name: String, reason: String)] {
    if progressed { suspect = nil }
    var doomed = lost
    if lost.isEmpty, let crashed = crashed.flatMap(listed) {
      if suspect == crashed { doomed.append((crashed, "ranks on it failed twice in a row")) }
      suspect = crashed
    }
    var result: [(name: String, reason: String)] = []
    for (name, reason) in doomed {
      guard remaining.count > 1, let host = listed(name) else { continue }
      leftOut.append((host, reason))
      result.append((host, reason))
    }
    if !result.isEmpty { suspect = nil }
    return result
  }
}
