import Foundation

/// The processes that run, as /proc lists them.
enum ProcessTable {
  struct Entry {
    let id: pid_t
    let parent: pid_t
    /// In clock ticks since the machine started: tells a process from a later one with the same number.
    let startTime: UInt64
  }

  /// A process that exists and is more than a zombie.
  static func entry(_ id: pid_t) -> Entry? {
    // "ID (NAME) STATE PARENT …", where the name may hold anything.
    guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", let parent = pid_t(fields[1]),
      let startTime = UInt64(fields[19])
    else { return nil }
    return Entry(id: id, parent: parent, startTime: startTime)
  }

  static func descendants(of ancestor: pid_t) -> [Entry] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    let all = names.compactMap { pid_t($0) }.compactMap(entry)
    var found: [Entry] = []
    var parents: Set<pid_t> = [ancestor]
    while !parents.isEmpty {
      let children = all.filter { parents.contains($0.parent) }
      found += children
      parents = Set(children.map(\.id))
    }
    return found
  }
}
