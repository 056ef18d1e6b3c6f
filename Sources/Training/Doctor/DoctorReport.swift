/// One thing that `lockstep doctor` looked at.
public struct DoctorCheck: Sendable, Equatable {
  public enum State: String, Sendable {
    case ok
    /// Works, but slowly or not for everything.
    case warning
    /// Does not work.
    case problem
  }

  /// What was looked at, in a word or two.
  public let name: String
  public let state: State
  /// What was found.
  public let found: String
  /// What to do about it; nil where nothing is to be done.
  public let fix: String?

  public init(_ name: String, _ state: State, _ found: String, fix: String? = nil) {
    self.name = name
    self.state = state
    self.found = found
    self.fix = fix
  }
}

/// What `lockstep doctor` says about a machine.
public struct DoctorReport: Sendable, Equatable {
  public var checks: [DoctorCheck]

  public init(checks: [DoctorCheck]) { self.checks = checks }

  /// 0 when nothing is a problem, else 1.
  public var exitCode: Int32 { checks.contains { $0.state == .problem } ? 1 : 0 }

  /// A table with the fixes under what they mend, and a last line that sums up.
  ///
  /// - Parameters:
  ///   - width: columns of the terminal.
  ///   - color: whether states are colored.
  public func text(width: Int = 80, color: Bool = false) -> String {
    let nameWidth = checks.map(\.name.count).max() ?? 0
    let indentation = 2 + 7 + 2 + nameWidth + 2
    let room = max(24, width - indentation)
    var lines: [String] = []
    for check in checks {
      let state = check.state.rawValue
      let shown = color ? "\u{1B}[\(Self.colorCode(check.state))m\(state)\u{1B}[0m" : state
      let head =
        "  " + shown + String(repeating: " ", count: 9 - state.count) + check.name
        + String(repeating: " ", count: nameWidth - check.name.count + 2)
      let space = String(repeating: " ", count: indentation)
      let found = Self.wrapped(check.found, room)
      lines.append(head + (found.first ?? ""))
      lines += found.dropFirst().map { space + $0 }
      for (index, line) in Self.wrapped(check.fix ?? "", room - 2).enumerated() {
        lines.append(space + (index == 0 ? "> " : "  ") + line)
      }
    }
    lines += ["", Self.conclusion(checks)]
    return lines.map { $0 + "\n" }.joined()
  }

  private static func conclusion(_ checks: [DoctorCheck]) -> String {
    func count(_ state: DoctorCheck.State, _ word: String) -> String? {
      let number = checks.count { $0.state == state }
      return number == 0 ? nil : "\(number) \(word)\(number == 1 ? "" : "s")"
    }
    let parts = [count(.problem, "problem"), count(.warning, "warning")].compactMap { $0 }
    return parts.isEmpty
      ? "Ready to train." : parts.joined(separator: ", ") + "; what to do stands behind each >."
  }

  private static func colorCode(_ state: DoctorCheck.State) -> Int {
    switch state {
    case .ok: 32
    case .warning: 33
    case .problem: 31
    }
  }

  /// Breaks at spaces; longer words (paths, commands) stay whole.
  static func wrapped(_ text: String, _ width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
