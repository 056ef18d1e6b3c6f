import Foundation

/// The threads that can really run at once.
enum UsableProcessors {
  /// On this machine, for all of its ranks together: what a launcher has bound this process to does not count.
  static let ofMachine = count(status: "")

  /// For this process alone, within what it is bound to.
  static var ofProcess: Int {
    count(status: (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? "")
  }

  /// Whether a thread beside those that compute finds a processor free: neither do the ranks of the machine keep all
  /// of them busy, nor has a launcher bound this process to as many as it computes on.
  static func haveSpare(ranksHere: Int, threads: Int) -> Bool {
    ranksHere * threads < ofMachine && threads < ofProcess
  }

  private static func count(status: String) -> Int {
    func text(of path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
    let group = ControlGroup(membership: text(of: "/proc/self/cgroup") ?? "", read: text(of:))
    return ProcessorCount(
      cpuinfo: text(of: "/proc/cpuinfo") ?? "", status: status, quota: group.processors
    ).usable
  }
}
