import Foundation

/// The messages of a run: each goes to `log.txt` with the time, and to whoever is watching.
///
/// A log that cannot be written never ends a training: this is said once, on the standard error.
public final class RunLog {
  public enum Level: String, Sendable {
    /// Something to know; shown on the standard output.
    case message
    /// Something to look after; shown on the standard error.
    case warning
  }

  private let path: String?
  private let descriptor: Int32
  private let display: ProgressDisplay?
  private let isSilent: Bool
  private var hasComplained = false

  /// - Parameters:
  ///   - path: the file, which is appended to; nil for none.
  ///   - display: where a bar may be in the way, or nil.
  ///   - silent: to show nothing, as on all ranks but 0.
  public init(at path: String?, display: ProgressDisplay? = nil, silent: Bool = false) {
    self.path = path
    self.display = display
    isSilent = silent
    descriptor = path.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) } ?? -1
    if path != nil, descriptor < 0 { complain(errno) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  public func message(_ text: String) { record(.message, text) }

  public func warning(_ text: String) { record(.warning, text) }

  /// Writes a text to the file only.
  public func note(_ text: String) { append(Self.lines(.message, text, seconds: Self.now)) }

  private func record(_ level: Level, _ text: String) {
    append(Self.lines(level, text, seconds: Self.now))
    guard !isSilent else { return }
    switch level {
    case .message:
      if let display {
        display.note(text)
      } else {
        FileHandle.standardOutput.writeIgnoringErrors(text + "\n")
      }
    case .warning:
      display?.clear()
      FileHandle.standardError.writeIgnoringErrors("warning: \(text)\n")
    }
  }

  private func append(_ text: String) {
    guard descriptor >= 0 else { return }
    var text = text
    let (written, count) = text.withUTF8 { (write(descriptor, $0.baseAddress, $0.count), $0.count) }
    if written != count { complain(written < 0 ? errno : ENOSPC) }
  }

  private func complain(_ code: Int32) {
    guard !hasComplained else { return }
    hasComplained = true
    FileHandle.standardError.writeIgnoringErrors(
      "warning: \(path ?? "log"): cannot be written (\(String(cString: strerror(code)))); going on without\n")
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// A message as it stands in the file: `2024-05-01T12:00:00.123Z warning: ...`, further lines indented.
  ///
  /// - Parameter seconds: since 1970, UTC.
  package static func lines(_ level: Level, _ text: String, seconds: Double) -> String {
    var time = time_t(seconds.rounded(.down))
    var parts = tm()
    gmtime_r(&time, &parts)
    let milliseconds = Int((seconds - seconds.rounded(.down)) * 1000)
    let stamp = String(
      format: "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
      Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec), milliseconds)
    let body = text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n    ")
    return "\(stamp) \(level == .warning ? "warning: " : "")\(body)\n"
  }
}
