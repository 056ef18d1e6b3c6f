import Checkpoints
import Foundation
import MessagePassing
import TensorCore

/// What a rank finds where it runs, for `lockstep doctor --cluster`.
package struct ClusterRank: Sendable, Equatable, Codable {
  package var place: RankPlace
  /// Of Lockstep.
  package var version = ""
  /// The file that runs, and a digest of it.
  package var programPath = ""
  package var program = ""
  package var mpiLibrary = ""
  package var oneDNN = ""
  package var processor = ""
  /// The parts of Open MPI that the process has loaded.
  package var components: [String] = []
  /// Whether there is hardware beside Ethernet for messages between machines.
  package var hasFabric = false
  /// The addresses of the machine, as `eth0 10.0.0.2/24`.
  package var addresses: [String] = []
  /// What the user has told Open MPI about networks.
  package var networkSettings: [String] = []
  package var sharedMemory = DoctorInputs.Folder(path: "/dev/shm", failure: nil, free: nil)
  /// Where a run's folder is to be.
  package var folder = DoctorInputs.Folder(path: ".", failure: nil, free: nil)
  /// Whether a file that rank 0 wrote is seen there.
  package var seesFile = true
  /// Seconds since 1970, read on all ranks at nearly the same moments.
  package var clock: [Double] = []

  package var machine: String { place.machine }

  package init(place: RankPlace) { self.place = place }

  /// This rank's own, less what is found with the others.
  static func own(_ place: RankPlace, folder: String) -> ClusterRank {
    var rank = ClusterRank(place: place)
    rank.version = LockstepVersion.current
    rank.programPath = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    rank.program = (try? Digest128(ofFile: "/proc/self/exe").description) ?? "not readable"
    rank.mpiLibrary = MPILibrary.version.split(separator: ",").first.map(String.init) ?? "unknown"
    rank.oneDNN = ComputeLibrary.version
    rank.processor = DoctorInputs.cpuKind.description
    rank.hasFabric =
      !((try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/infiniband")) ?? []).isEmpty
    rank.addresses = NetworkAddresses.own
    rank.networkSettings = ProcessInfo.processInfo.environment.filter { $0.key.contains("tcp_if_") }
      .map { "\($0.key.replacing("OMPI_MCA_", with: "")) \($0.value)" }.sorted()
    rank.sharedMemory = DoctorInputs.look(at: "/dev/shm")
    rank.folder = DoctorInputs.look(at: DoctorInputs.nearestFolder(to: folder))
    return rank
  }
}

/// The addresses by which a machine can be reached.
enum NetworkAddresses {
  /// Those of version 4 that are up, without the machine's own loop.
  static var own: [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: [String] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      // IFF_UP and IFF_LOOPBACK, which Swift does not know as numbers.
      guard entry.ifa_flags & 0x1 != 0, entry.ifa_flags & 0x8 == 0,
        let address = word(entry.ifa_addr), let mask = word(entry.ifa_netmask)
      else { continue }
      let text = [24, 16, 8, 0].map { "\(address >> $0 & 0xFF)" }.joined(separator: ".")
      found.append("\(String(cString: entry.ifa_name)) \(text)/\(mask.nonzeroBitCount)")
    }
    return found.sorted()
  }

  private static func word(_ address: UnsafeMutablePointer<sockaddr>?) -> UInt32? {
    guard let address, address.pointee.sa_family == sa_family_t(AF_INET) else { return nil }
    return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
  }
}
