import CProcesses
import Foundation

/// What a job leaves behind when its launcher is killed: ranks on this machine, which nobody ends soon.
enum Orphans {
  /// From now on they become children of this process, however deep below it they began.
  static func adopt() { _ = lockstep_adopt_orphans() }

  /// This process's children, those that have ended and have not been asked for included.
  static var children: [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    let own = getpid()
    return names.compactMap { pid_t($0) }.filter { parent(of: $0) == own }
  }

  private static func parent(of process: pid_t) -> pid_t? {
    // "ID (NAME) STATE PARENT …", where the name may hold anything.
    guard let file = FileHandle(forReadingAtPath: "/proc/\(process)/stat"),
      let data = try? file.readToEnd(), let end = data.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = String(decoding: data[(end + 1)...], as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? pid_t(fields[1]) : nil
  }

  /// Kills this process's children, and theirs, until none is left, for at most 5 s.
  static func end(except others: Set<pid_t>) {
    let deadline = MonotonicTime.seconds + 5
    while MonotonicTime.seconds < deadline {
      let left = children.filter { !others.contains($0) }
      if left.isEmpty { return }
      for process in left { kill(process, SIGKILL) }
      var status: Int32 = 0
      for process in left { while waitpid(process, &status, 0) < 0, errno == EINTR {} }
    }
  }

  /// Removes the folder that a killed mpirun has left among temporary files: `ompi.HOST.USER/pid.NUMBER`.
  static func removeSession(ofLauncher process: pid_t, environment: [String: String]) {
    let root = environment["TMPDIR"] ?? "/tmp"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    where name.hasPrefix("ompi.") && name.hasSuffix(".\(getuid())") {
      try? FileManager.default.removeItem(atPath: "\(root)/\(name)/pid.\(process)")
    }
  }
}
