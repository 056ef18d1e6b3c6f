import Foundation
import MessagePassing

/// Where a rank computes: what its launcher and its machine let it have.
package struct RankPlace: Sendable, Equatable, Codable {
  /// The name of its machine.
  package var machine: String
  /// The hardware threads that it may run on, ascending.
  package var processors: [Int]
  /// The cores that these belong to: each by the first of its hardware threads, ascending.
  package var cores: [Int]
  /// The cores of its machine.
  package var machineCores: Int
  /// Threads that really run at once on its machine, for all ranks together.
  package var usable: Int
  /// Threads that it computes with.
  package var threads: Int

  package init(
    machine: String, processors: [Int], cores: [Int], machineCores: Int, usable: Int, threads: Int
  ) {
    self.machine = machine
    self.processors = processors
    self.cores = cores
    self.machineCores = machineCores
    self.usable = usable
    self.threads = threads
  }

  /// This process's own.
  ///
  /// - Parameters:
  ///   - status: the text of `/proc/self/status`.
  ///   - siblings: the list of hardware threads on the core of one of them.
  package init(
    machine: String, threads: Int, status: String, online: Int, usable: Int, siblings: (Int) -> String?
  ) {
    self.machine = machine
    let all = Array(0..<online)
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    let allowed = line?.split(separator: ":").last.flatMap { ProcessorCount.numbers(list: $0) }
    func core(_ processor: Int) -> Int {
      siblings(processor).flatMap { ProcessorCount.numbers(list: $0)?.first } ?? processor
    }
    processors = allowed ?? all
    cores = Set(processors.map(core)).sorted()
    machineCores = max(Set(all.map(core)).count, cores.count)
    self.usable = usable
    self.threads = threads
  }

  static func own(threads: Int, on machine: String) -> RankPlace {
    RankPlace(
      machine: machine, threads: threads, status: DoctorInputs.text(of: "/proc/self/status") ?? "",
      online: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), usable: UsableProcessors.ofMachine
    ) { DoctorInputs.text(of: "/sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list") }
  }

  /// Those of all ranks, on every rank.
  package static func gather(threads: Int, over communicator: any Communicator) throws -> [RankPlace] {
    let own = own(threads: threads, on: communicator.machine.name)
    return try communicator.allgather(bytes: Array(JSONEncoder().encode(own)))
      .map { try JSONDecoder().decode(RankPlace.self, from: Data($0)) }
  }
}
