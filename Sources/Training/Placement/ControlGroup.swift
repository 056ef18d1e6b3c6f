/// The limits that a container or a batch system puts on this process (Linux control groups, both
/// versions).
public struct ControlGroup: Sendable, Equatable {
  /// Processors' worth of time; nil: no limit.
  public let processors: Double?
  /// Bytes; nil: no limit.
  public let memory: Double?

  public init(processors: Double?, memory: Double?) {
    self.processors = processors
    self.memory = memory
  }

  /// Looks from the process's own group up to the outermost; the tightest limit counts. A container often
  /// sees its own group as the outermost whatever its path says, which is looked at too.
  ///
  /// - Parameters:
  ///   - membership: the text of `/proc/self/cgroup`.
  ///   - read: the text of a file; nil when there is none.
  public init(membership: String, read: (String) -> String?) {
    var processors: Double?
    var memory: Double?
    func tighten(_ limit: inout Double?, _ value: Double?) {
      if let value { limit = min(limit ?? value, value) }
    }
    for line in membership.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",")
      for folder in Self.ancestors(of: parts[2]) {
        if parts[1].isEmpty {
          tighten(&processors, read("/sys/fs/cgroup\(folder)/cpu.max").flatMap(Self.quota))
          tighten(&memory, read("/sys/fs/cgroup\(folder)/memory.max").flatMap(Self.limit))
        }
        if controllers.contains("cpu") {
          let base = "/sys/fs/cgroup/cpu\(folder)/cpu.cfs_"
          if let quota = read("\(base)quota_us"), let period = read("\(base)period_us") {
            tighten(&processors, Self.quota("\(quota.filter { $0 != "\n" }) \(period)"))
          }
        }
        if controllers.contains("memory") {
          tighten(&memory, read("/sys/fs/cgroup/memory\(folder)/memory.limit_in_bytes").flatMap(Self.limit))
        }
      }
    }
    self.processors = processors
    self.memory = memory
  }

  /// `/a/b`, `/a` and the outermost, which is the empty text.
  static func ancestors(of path: String) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { count in names.prefix(count).map { "/" + $0 }.joined() }
  }

  /// `200000 100000`, microseconds of time in a period; `max` or a negative quota is none.
  static func quota(_ text: String) -> Double? {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Double(parts[0]), let period = Double(parts[1]), quota > 0,
      period > 0
    else { return nil }
    return quota / period
  }

  /// Bytes; `max`, or the huge number that stands for no limit, is none.
  static func limit(_ text: String) -> Double? {
    guard let bytes = Double(Substring(text).trimmed), bytes < 0x1p60 else { return nil }
    return bytes
  }
}
