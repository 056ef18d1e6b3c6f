import MessagePassing

/// Ranks that are in each other's way, or in their own, although their machine has room: the launcher's doing.
package struct PlacementFault: Sendable, Equatable {
  /// What is so: `ranks 0, 1 on node1 share 1 core of 8`.
  package let found: String
  /// What to do.
  package let fix: String

  /// What mpirun and srun are told so that each rank has cores of its own.
  package static func binding(threads: Int) -> String {
    "mpirun --map-by slot:PE=\(threads) --bind-to core, or srun --cpus-per-task=\(threads) --cpu-bind=cores"
  }

  /// Looks at the ranks of one machine, whose numbers begin with `first`; nil where nothing is wrong.
  static func find(_ places: [RankPlace], first: Int) -> PlacementFault? {
    let machine = places.first?.machine ?? ""
    let threads = places.map(\.threads).max() ?? 1
    let wanted = places.reduce(0) { $0 + $1.threads }
    let usable = places.map(\.usable).min() ?? 1
    let cores = places.map(\.machineCores).min() ?? 1
    // Two hardware threads of a core count as two where there are not enough cores.
    let countsCores = wanted <= min(cores, usable)
    if let crowd = crowd(places, countsCores: countsCores) {
      let ranks = describeRanks(crowd.ranks.map { first + $0 })
      let unit = countsCores ? "core" : "processor"
      let room = "\(crowd.room) \(unit)\(crowd.room == 1 ? "" : "s")"
      let total = countsCores ? cores : usable
      if crowd.room < total {
        let found =
          crowd.ranks.count == 1
          ? "\(ranks) on \(machine) may use \(room) of \(total) for \(threads) threads"
          : "\(ranks) on \(machine) share \(room) of \(total)"
            + (threads > 1 ? " for \(threads) threads each" : "")
        return PlacementFault(
          found: found,
          fix:
            "give each rank cores of its own: \(binding(threads: threads)); where there are no more to have, start at "
            + "most \(max(1, crowd.room / threads)) there")
      }
    }
    guard wanted > usable, places.count > 1 else { return nil }
    let most = max(1, usable / threads)
    return PlacementFault(
      found: "\(places.count) ranks\(threads > 1 ? " of \(threads) threads each" : "") share \(usable) "
        + "processor\(usable == 1 ? "" : "s")",
      fix: "it works, but at most \(most) here would be faster")
  }

  /// The ranks that have least room: as many threads as possible for each processor or core that they may use.
  private static func crowd(
    _ places: [RankPlace], countsCores: Bool
  ) -> (ranks: [Int], room: Int)? {
    let rooms = places.map { Set(countsCores ? $0.cores : $0.processors) }
    var worst: (ranks: [Int], room: Int, load: Double)?
    for room in rooms where !room.isEmpty {
      let ranks = rooms.indices.filter { rooms[$0].isSubset(of: room) }
      let threads = ranks.reduce(0) { $0 + places[$1].threads }
      let load = Double(threads) / Double(room.count)
      if threads > room.count, load > worst?.load ?? 0 { worst = (ranks, room.count, load) }
    }
    return worst.map { ($0.ranks, $0.room) }
  }

  /// The faults of all machines, in the order of the ranks.
  package static func find(_ places: [RankPlace], on machines: [Range<Int>]) -> [PlacementFault] {
    machines.compactMap { find(Array(places[$0]), first: $0.lowerBound) }
  }
}
