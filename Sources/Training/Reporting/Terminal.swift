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
    let watched = isUnderMpirun ? launchersTerminal(descriptor) : descriptor
    defer { if watched != descriptor, watched >= 0 { close(watched) } }
    var size = winsize()
    let hasSize = ioctl(watched, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return Terminal(
      isTerminal: isatty(watched) == 1, columns: hasSize ? Int(size.ws_col) : nil, environment: environment)
  }

  private static let isUnderMpirun = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil

  /// Open MPI gives its ranks a terminal of their own, even where its own output goes to a file. What
  /// counts is what the launcher writes to: this opens it if it is a terminal of this machine, or returns
  /// -1.
  private static func launchersTerminal(_ descriptor: Int32) -> Int32 {
    let link = "/proc/\(getppid())/fd/\(descriptor)"
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link)
    guard let target, target.hasPrefix("/dev/") else { return -1 }
    return open(target, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
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
