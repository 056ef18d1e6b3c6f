import Foundation
import MessagePassing

/// What the checks of `lockstep doctor --cluster` look at, gathered from all ranks.
package struct ClusterInputs: Sendable, Equatable {
  package var ranks: [ClusterRank]
  /// The ranks of every machine.
  package var machines: [Range<Int>]
  /// Of two neighbours on each machine that has two, in the order of the machines.
  package var inside: [LinkFigures] = []
  /// Of each machine's first rank and the next one's.
  package var between: [LinkFigures] = []
  package var sum: SumFigures?

  package init(ranks: [ClusterRank], machines: [Range<Int>]) {
    self.ranks = ranks
    self.machines = machines
  }
}

/// Looks around on every rank and measures what messages take, in about a second.
package struct ClusterProbe {
  private let communicator: any Communicator
  private let folder: String
  private let threads: Int
  private let stage: (String) -> Void

  /// - Parameters:
  ///   - folder: where a run's folder is to be.
  ///   - stage: is told what is waited for.
  package init(
    over communicator: any Communicator, folder: String, threads: Int, stage: @escaping (String) -> Void
  ) {
    self.communicator = communicator
    self.folder = folder
    self.threads = threads
    self.stage = stage
  }

  /// All ranks call it, and all get the same.
  package func gather() throws -> ClusterInputs {
    stage("hearing from the others")
    let places = try RankPlace.gather(threads: threads, over: communicator)
    var own = ClusterRank.own(places[communicator.rank], folder: folder)
    try lookForFile(&own)
    own.clock = try readClocks()
    var figures = Figures()
    // Ranks that are threads meet in every call: two of them alone cannot exchange messages.
    if communicator.size > 1, communicator is MPICommunicator { figures = try measure() }
    // What has been loaded shows by now.
    own.components = OpenMPIComponents.names(inMaps: DoctorInputs.text(of: "/proc/self/maps") ?? "")
    let all = try share(Report(rank: own, figures: figures))
    var inputs = ClusterInputs(ranks: all.map(\.rank), machines: communicator.machines)
    inputs.inside = all.compactMap(\.figures.inside)
    inputs.between = all.compactMap(\.figures.between)
    inputs.sum = all[0].figures.sum
    return inputs
  }

  private struct Figures: Codable {
    var inside: LinkFigures?
    var between: LinkFigures?
    var sum: SumFigures?
  }

  private struct Report: Codable {
    let rank: ClusterRank
    let figures: Figures
  }

  private func share(_ own: Report) throws -> [Report] {
    let all = try communicator.allgather(bytes: Array(JSONEncoder().encode(own)))
    return try all.enumerated().map { rank, bytes in
      guard let report = try? JSONDecoder().decode(Report.self, from: Data(bytes)) else {
        throw TrainingError(
          at: "what rank \(rank) says of itself", expected: "words of lockstep \(LockstepVersion.current)",
          found: "others", remedy: "Start the same program on all ranks.")
      }
      return report
    }
  }

  // MARK: - Files and clocks

  /// Rank 0 writes a file, the others look for it: for a while, since network file systems take their time.
  private func lookForFile(_ own: inout ClusterRank) throws {
    stage("looking for a file of rank 0's")
    let name = ".lockstep-\(UUID().uuidString)"
    let names = try communicator.allgather(bytes: communicator.rank == 0 ? Array(name.utf8) : [])
    let path = "\(own.folder.path)/\(String(decoding: names[0], as: UTF8.self))"
    if communicator.rank == 0 {
      // Where it cannot be written nobody sees it.
      _ = FileManager.default.createFile(atPath: path, contents: Data(name.utf8))
    }
    defer { if communicator.rank == 0 { unlink(path) } }
    try communicator.barrier()
    let deadline = MonotonicTime.seconds + 0.5
    repeat {
      own.seesFile = FileManager.default.contents(atPath: path) == Data(names[0])
      if !own.seesFile { usleep(20_000) }
    } while !own.seesFile && MonotonicTime.seconds < deadline
    try communicator.barrier()
  }

  private func readClocks() throws -> [Double] {
    try (0..<5).map { _ in
      try communicator.barrier()
      return Date().timeIntervalSince1970
    }
  }

  // MARK: - Messages

  private func measure() throws -> Figures {
    let probe = LinkProbe(communicator)
    defer { probe.free() }
    let (rank, machines) = (communicator.rank, communicator.machines)
    let ranks = communicator.machine.ranks
    var figures = Figures()
    try communicator.barrier()
    if ranks.count > 1, rank == ranks[0] || rank == ranks[1] {
      stage("passing messages between ranks \(ranks[0]) and \(ranks[1]), on \(communicator.machine.name)")
      let link = try probe.link(to: rank == ranks[0] ? ranks[1] : ranks[0])
      if rank == ranks[0] { figures.inside = link }
    }
    let own = machines.firstIndex { $0.contains(rank) } ?? 0
    // Each machine takes part in one exchange at a time.
    for turn in 0..<2 {
      try communicator.barrier()
      let peer = own % 2 == turn ? own + 1 : own - 1
      guard rank == ranks[0], machines.indices.contains(peer) else { continue }
      let other = machines[peer].lowerBound
      stage("passing messages between ranks \(min(rank, other)) and \(max(rank, other)), on two machines")
      let link = try probe.link(to: other)
      if rank < other { figures.between = link }
    }
    stage("adding up over all ranks")
    try communicator.barrier()
    figures.sum = try probe.sum()
    return figures
  }
}
