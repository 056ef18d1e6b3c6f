import MessagePassing

// The checks of `lockstep doctor --cluster` of how ranks reach each other.

extension Doctor {
  /// Slower than these, and something stands in the way.
  private static let (slowInside, slowBetween) = (0.5e9, 0.11e9)
  private static let (lateInside, lateBetween) = (20e-6, 500e-6)

  package static func transport(_ inputs: ClusterInputs) -> DoctorCheck? {
    guard inputs.ranks.count > 1 else { return nil }
    func common(_ ranks: some Sequence<ClusterRank>) -> Set<String> {
      let sets = ranks.map { Set($0.components) }
      return sets.dropFirst().reduce(sets.first ?? []) { $0.intersection($1) }
    }
    var parts: [String] = []
    var fix: String?
    if let machine = inputs.machines.first(where: { $0.count > 1 }) {
      let name = OpenMPIComponents.transport(common(inputs.ranks[machine]), insideMachine: true)
      parts.append("\(name ?? "not told which") inside machines")
      if name == "TCP" {
        fix = "Shared memory is left out: unset OMPI_MCA_btl, or set it to self,vader,tcp"
      }
    }
    if inputs.machines.count > 1 {
      let name = OpenMPIComponents.transport(common(inputs.ranks), insideMachine: false)
      parts.append("\(name ?? "not told which") between them")
      if name == "TCP", inputs.ranks.allSatisfy(\.hasFabric) {
        fix =
          "The machines have a faster network than Ethernet: use an Open MPI with UCX (ompi_info | grep ucx), with "
          + "mpirun --mca pml ucx, or its IP interface: --mca btl_tcp_if_include ib0"
      }
    }
    let settings = Set(inputs.ranks.flatMap(\.networkSettings)).sorted()
    let found = (parts + settings).joined(separator: ", ")
    return DoctorCheck("transport", fix == nil ? .ok : .warning, found, fix: fix)
  }

  package static func inside(_ links: [LinkFigures]) -> DoctorCheck? {
    guard !links.isEmpty else { return nil }
    let slow = links.contains { $0.bytesPerSecond < slowInside || $0.latencySeconds > lateInside }
    return DoctorCheck(
      "inside machines", slow ? .warning : .ok, words(links),
      fix: slow
        ? "Ranks that share a core, or other programs on the machine, slow this down: see binding and transport above, "
          + "and look with top." : nil)
  }

  package static func between(_ inputs: ClusterInputs) -> DoctorCheck? {
    let links = inputs.between
    guard !links.isEmpty else { return nil }
    let slow = links.contains { $0.bytesPerSecond < slowBetween || $0.latencySeconds > lateBetween }
    let firsts = inputs.machines.map { inputs.ranks[$0.lowerBound] }
    return DoctorCheck(
      "between machines", slow ? .warning : .ok, words(links),
      fix: slow
        ? "As slow as 1 Gbit/s Ethernet or slower. If there is a faster network, name it: "
          + "mpirun --mca btl_tcp_if_include NETWORK, or export OMPI_MCA_btl_tcp_if_include=NETWORK for srun "
          + "(\(addresses(of: firsts))). Else few, large steps help: a larger batch, accumulate." : nil)
  }

  /// The slowest counts: all wait for it.
  private static func words(_ links: [LinkFigures]) -> String {
    let latency = links.map(\.latencySeconds).max() ?? 0
    guard let slowest = links.min(by: { $0.bytesPerSecond < $1.bytesPerSecond }) else { return "" }
    let pair = links.count == 1 ? "ranks" : "slowest ranks"
    return "\(NumberText.fixed(latency * 1e6, 1)) µs, \(rate(slowest.bytesPerSecond)) each way (\(pair) "
      + "\(slowest.first) and \(slowest.second))"
  }

  package static func sum(_ figures: SumFigures?) -> DoctorCheck? {
    guard let figures else { return nil }
    return DoctorCheck(
      "allreduce", .ok,
      "\(NumberText.fixed(figures.latencySeconds * 1e6, 1)) µs for one number; "
        + "\(NumberText.fixed(figures.seconds * 1e3, 2)) ms for \(NumberText.bytes(figures.bytes)), "
        + "\(rate(figures.bytes / figures.seconds)), over all ranks")
  }

  private static func rate(_ bytesPerSecond: Double) -> String {
    bytesPerSecond >= 1e9
      ? "\(NumberText.fixed(bytesPerSecond * 1e-9, 2)) GB/s"
      : "\(NumberText.fixed(bytesPerSecond * 1e-6, 1)) MB/s"
  }

  /// Where machines can be reached, of at most two of them.
  package static func addresses(of firsts: [ClusterRank]) -> String {
    firsts.prefix(2).map { rank in
      "\(rank.machine) has \(rank.addresses.isEmpty ? "no address" : rank.addresses.joined(separator: ", "))"
    }.joined(separator: "; ")
  }

  /// What is said when ranks wait for each other in vain.
  package static func unreachable(stage: String, seconds: Double) -> DoctorReport {
    let addresses = NetworkAddresses.own.joined(separator: ", ")
    return DoctorReport(checks: [
      DoctorCheck(
        "ranks", .problem, "still \(stage) after \(NumberText.fixed(seconds, 0)) s",
        fix:
          "A rank did not start, or the machines do not reach each other. Name the network that all of them share: "
          + "mpirun --mca btl_tcp_if_include NETWORK --mca oob_tcp_if_include NETWORK"
          + (addresses.isEmpty ? "" : " (this machine has \(addresses))")
          + ". See that no firewall stands between them, and that ldd lockstep finds all libraries on each: "
          + "load the same modules everywhere.")
    ])
  }
}
