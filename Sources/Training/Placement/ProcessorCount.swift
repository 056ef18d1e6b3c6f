import Foundation

/// How many processors there are, and how many of them this process may use.
public struct ProcessorCount: Sendable, Equatable {
  /// Hardware threads that are on.
  public let online: Int
  /// Cores, of which each may have several hardware threads; nil when it is not told.
  public let physicalCores: Int?
  /// Hardware threads that this process may run on.
  public let allowed: Int
  /// Processors' worth of time that the container grants; nil: no limit.
  public let quota: Double?

  /// - Parameters:
  ///   - cpuinfo: the text of `/proc/cpuinfo`.
  ///   - status: the text of `/proc/self/status`.
  ///   - quota: from the control groups.
  public init(cpuinfo: String, status: String, quota: Double?) {
    var cores: Set<String> = []
    var package = ""
    var count = 0
    for line in cpuinfo.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      switch parts[0].trimmed {
      case "processor": count += 1
      case "physical id": package = String(parts[1].trimmed)
      case "core id": cores.insert("\(package)/\(parts[1].trimmed)")
      default: break
      }
    }
    online = max(1, count)
    physicalCores = cores.isEmpty ? nil : cores.count
    let list = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    allowed = list.flatMap { Self.count(list: $0.split(separator: ":").last ?? "") } ?? online
    self.quota = quota
  }

  /// The threads that can really run at once.
  public var usable: Int {
    guard let quota, quota < Double(allowed) else { return allowed }
    return max(1, Int(quota))
  }

  /// The number of processors in a list such as `0-3,8,10-11`; nil if it is none.
  package static func count(list: some StringProtocol) -> Int? { numbers(list: list)?.count }

  /// The processors in such a list.
  static func numbers(list: some StringProtocol) -> [Int]? {
    var numbers: [Int] = []
    for part in list.split(separator: ",") {
      let ends: [Int?] = part.split(separator: "-").map { Int(String($0.filter { !$0.isWhitespace })) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last,
        last - first < 1 << 16
      else { return nil }
      numbers += first...last
    }
    return numbers.isEmpty ? nil : numbers
  }
}
