import Foundation

/// What the place that output goes to can show.
public struct Terminal: Sendable, Equatable {
  /// Whether lines can be drawn anew in place.
  public var isInteractive: Bool
  public var hasColor: Bool
  /// Whether it shows more than ASCII.
  public var hasUnicode: Bool
  /// Columns.
  public var width: Int

  public init(isInteractive: Bool, hasColor: Bool, hasUnicode: Bool, width: Int) {
    self.isInteractive = isInteractive
    self.hasColor = hasColor
    self.hasUnicode = hasUnicode
    self.width = width
  }

  /// A file or a pipe.
  public static let none = Terminal(isInteractive: false, hasColor: false, hasUnicode: true, width: 80)

  /// Asks about a descriptor: 1 is the standard output.
  public static func of(
    _ descriptor: Int32, environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Terminal {
    // mpirun puts a pseudo-terminal of its own between itself and its ranks, wherever its output goes. It is
    // the parent of the ranks on its machine, so its own output tells what this output ends in.
    if environment["OMPI_COMM_WORLD_SIZE"] != nil, isatty(descriptor) == 1 {
      return behindLauncher(output: "/proc/\(getppid())/fd/\(descriptor)", environment: environment)
    }
    return Terminal(
      isTerminal: isatty(descriptor) == 1, columns: columns(of: descriptor), environment: environment)
  }

  /// The terminal that a launcher writes to, if it is one; `output` is a link to it.
  package static func behindLauncher(output: String, environment: [String: String]) -> Terminal {
    var status = stat()
    let isDevice = stat(output, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    // A pipe must not be opened: its writer would take us for its reader.
    let descriptor = !isDevice ? -1 : open(output, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return Terminal(isTerminal: false, columns: nil, environment: environment) }
    defer { close(descriptor) }
    return Terminal(
      isTerminal: isatty(descriptor) == 1, columns: columns(of: descriptor), environment: environment)
  }

  private static func columns(of descriptor: Int32) -> Int? {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
  }

  /// - Parameters:
  ///   - isTerminal: what `isatty` says.
  ///   - columns: what the terminal says; else `COLUMNS`, else 80.
  ///   - environment: `NO_COLOR` set to anything means no color (no-color.org), `TERM=dumb` that nothing
  ///     can be drawn in place; the locale says whether there is more than ASCII.
  package init(isTerminal: Bool, columns: Int?, environment: [String: String]) {
    let isDumb = (environment["TERM"] ?? "dumb") == "dumb"
    isInteractive = isTerminal && !isDumb
    hasColor = isInteractive && (environment["NO_COLOR"] ?? "").isEmpty
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    let encoding = (locale ?? "").lowercased()
    hasUnicode = encoding.contains("utf-8") || encoding.contains("utf8")
    width = columns ?? environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } ?? 80
  }
}
