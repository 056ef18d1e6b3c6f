import Foundation

/// How long this process has been there, the loading of its libraries included.
enum ProcessAge {
  /// Seconds, to about a hundredth; nil where the system does not tell.
  static var seconds: Double? {
    guard let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
      // The second field is the program's name in parentheses, whatever is in it.
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // The 22nd field of proc(5): clock ticks from the machine's start to the process's.
    guard fields.count > 19, let ticks = Double(fields[19]) else { return nil }
    var now = timespec()
    clock_gettime(CLOCK_BOOTTIME, &now)
    let age =
      Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    return age >= 0 ? age : nil
  }
}
