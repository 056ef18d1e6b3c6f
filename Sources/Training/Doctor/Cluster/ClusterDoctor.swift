import MessagePassing

/// `lockstep doctor --cluster`: whether the ranks that a launcher has started can train together, how well, and what to
/// do if not. Every check is a function of what the ranks have gathered.
extension Doctor {
  package static func examine(_ inputs: ClusterInputs) -> DoctorReport {
    let names = inputs.machines.map { inputs.ranks[$0.lowerBound].machine }
    return DoctorReport(
      checks: [
        machines(inputs.machines, names: names),
        program(inputs.ranks),
        libraries(inputs.ranks),
        processors(inputs.ranks),
        binding(inputs.ranks.map(\.place), on: inputs.machines),
        transport(inputs),
        inside(inputs.inside),
        between(inputs),
        sum(inputs.sum),
        sharedMemory(inputs.machines.map { inputs.ranks[$0.lowerBound] }),
        clocks(inputs),
        files(inputs.ranks),
      ].compactMap { $0 })
  }

  /// What one of several tasks says that were started without anything to join them.
  package static func unconnected(_ launch: LaunchEnvironment) -> DoctorReport {
    DoctorReport(checks: [
      ranks(launch, processors: ProcessorCount(cpuinfo: "", status: "", quota: nil), threads: 1)
    ])
  }

  // MARK: - Ranks

  package static func machines(_ machines: [Range<Int>], names: [String]) -> DoctorCheck {
    let count = machines.last?.upperBound ?? 0
    guard count > 1 else {
      return DoctorCheck(
        "ranks", .warning, "one, on \(names.first ?? "this machine")",
        fix: "Start it as a training: mpirun -np 4 lockstep doctor --cluster, or "
          + "srun --mpi=pmix -n 4 lockstep doctor --cluster")
    }
    guard machines.count > 1 else {
      return DoctorCheck("ranks", .ok, "\(count), all on \(names[0])")
    }
    let each = zip(machines, names).map { "\($0.count) on \($1)" }
    let shown = each.count <= 8 ? each : Array(each.prefix(7)) + ["…"]
    return DoctorCheck(
      "ranks", .ok, "\(count) on \(machines.count) machines: \(shown.joined(separator: ", "))")
  }

  package static func program(_ ranks: [ClusterRank]) -> DoctorCheck {
    let groups = groupRanks(by: ranks.map { "lockstep \($0.version), \($0.program.prefix(12))" })
    guard groups.count > 1 else { return DoctorCheck("program", .ok, groups.first?.value ?? "") }
    let each = groups.map { group in
      "\(describeRanks(group.ranks)): \(group.value) (\(ranks[group.ranks[0]].programPath) on "
        + "\(ranks[group.ranks[0]].machine))"
    }
    return DoctorCheck(
      "program", .problem, each.joined(separator: "; "),
      fix:
        "Training refuses ranks of different programs: install one build on all machines, best on a file system that "
        + "all of them mount, and name it with its whole path.")
  }

  package static func libraries(_ ranks: [ClusterRank]) -> DoctorCheck {
    let groups = groupRanks(by: ranks.map { "\($0.mpiLibrary), \($0.oneDNN)" })
    guard groups.count > 1 else { return DoctorCheck("libraries", .ok, groups.first?.value ?? "") }
    return DoctorCheck(
      "libraries", .problem, different(groups, ranks),
      fix:
        "Load the same modules on all machines (module load …, in the batch script or in ~/.bashrc, for mpirun's "
        + "daemons too), or pass LD_LIBRARY_PATH on: mpirun -x LD_LIBRARY_PATH.")
  }

  package static func processors(_ ranks: [ClusterRank]) -> DoctorCheck {
    let groups = groupRanks(by: ranks.map(\.processor))
    guard groups.count > 1 else { return DoctorCheck("processors", .ok, groups.first?.value ?? "") }
    return DoctorCheck(
      "processors", .problem, different(groups, ranks),
      fix:
        "Training refuses different kinds, whose bits differ: ask for machines of one kind (sbatch --constraint), or "
        + "hold the library to the poorer instruction set everywhere: export DNNL_MAX_CPU_ISA=AVX2")
  }

  private static func different(_ groups: [(value: String, ranks: [Int])], _ ranks: [ClusterRank]) -> String {
    groups.map { "\(describeRanks($0.ranks)) on \(ranks[$0.ranks[0]].machine): \($0.value)" }
      .joined(separator: "; ")
  }

  package static func binding(_ places: [RankPlace], on machines: [Range<Int>]) -> DoctorCheck {
    let faults = PlacementFault.find(places, on: machines)
    let cores = places.map(\.cores.count)
    let (least, most) = (cores.min() ?? 1, cores.max() ?? 1)
    let threads = places.map(\.threads).max() ?? 1
    let bound = places.contains { $0.cores.count < $0.machineCores } ? "bound to" : "not bound, on"
    let found =
      "\(threads) thread\(threads == 1 ? "" : "s") a rank, \(bound) \(least == most ? "" : "\(least) to ")\(most) "
      + "core\(most == 1 ? "" : "s")"
    guard !faults.isEmpty else { return DoctorCheck("binding", .ok, found) }
    return DoctorCheck(
      "binding", .warning, found + "; " + faults.map(\.found).joined(separator: "; "),
      fix: "\(faults[0].fix.prefix(1).uppercased())\(faults[0].fix.dropFirst())")
  }

  // MARK: - Memory, clocks, files

  package static func sharedMemory(_ firsts: [ClusterRank]) -> DoctorCheck? {
    // The machine with least.
    guard
      let worst = firsts.min(by: {
        ($0.sharedMemory.failure == nil ? $0.sharedMemory.free ?? 0 : -1)
          < ($1.sharedMemory.failure == nil ? $1.sharedMemory.free ?? 0 : -1)
      })
    else { return nil }
    let check = sharedMemory(worst.sharedMemory)
    guard firsts.count > 1 else { return check }
    return DoctorCheck(check.name, check.state, "\(check.found), least on \(worst.machine)", fix: check.fix)
  }

  package static func clocks(_ inputs: ClusterInputs) -> DoctorCheck? {
    guard inputs.machines.count > 1 else { return nil }
    let reference = inputs.ranks[0].clock
    // Of several readings those are nearest the truth that differ least.
    let offsets = inputs.machines.map { machine in
      zip(inputs.ranks[machine.lowerBound].clock, reference).map { $0 - $1 }.min { abs($0) < abs($1) } ?? 0
    }
    let spread = (offsets.max() ?? 0) - (offsets.min() ?? 0)
    guard spread > 1, let worst = offsets.indices.max(by: { abs(offsets[$0]) < abs(offsets[$1]) }) else {
      return DoctorCheck("clocks", .ok, "within \(NumberText.fixed(spread * 1e3, 1)) ms of each other")
    }
    let name = inputs.ranks[inputs.machines[worst].lowerBound].machine
    let amount = NumberText.fixed(abs(offsets[worst]), 1)
    return DoctorCheck(
      "clocks", .warning,
      "\(name) is \(amount) s \(offsets[worst] > 0 ? "ahead of" : "behind") rank 0's machine",
      fix:
        "Harmless for training; times of files and logs will not agree. Have chrony or ntpd run on all machines."
    )
  }

  package static func files(_ ranks: [ClusterRank]) -> DoctorCheck {
    let first = ranks[0].folder
    if first.failure != nil { return runFolder(first) }
    let blind = ranks.indices.filter { !ranks[$0].seesFile }
    guard let one = blind.first else {
      let check = runFolder(first)
      return DoctorCheck(check.name, check.state, check.found + ranks.seen, fix: check.fix)
    }
    let other = ranks[one]
    let isElsewhere = other.folder.path != first.path
    return DoctorCheck(
      "run folder", .warning,
      "\(describeRanks(blind)) on \(other.machine) \(blind.count == 1 ? "does" : "do") not see a file that rank 0 wrote in "
        + "\(first.path)" + (isElsewhere ? ", but look in \(other.folder.path)" : ""),
      fix: isElsewhere
        ? "Start all ranks in one folder (mpirun --wdir \(first.path)), and name files by their whole paths."
        : "Put runs, configurations and data on a file system that all machines mount (NFS, Lustre), as --out and "
          + "data.path; or copy configuration and data to the same path on each machine: only rank 0 writes.")
  }
}

extension [ClusterRank] {
  fileprivate var seen: String { count > 1 ? "; all ranks see what rank 0 writes there" : "" }
}
