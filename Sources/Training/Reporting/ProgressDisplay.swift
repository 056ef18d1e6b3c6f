import Foundation

/// Shows how a run goes on: a bar that is drawn anew in place on a terminal, else a line now and then.
///
/// Belongs to one thread. Rank 0 has one on its standard output; the others have a silent one, so the loop
/// need not ask who it is.
public final class ProgressDisplay {
  private let terminal: Terminal
  private let isSilent: Bool
  private let output: (String) -> Void
  /// Asked anew now and then: windows change their size.
  private let width: () -> Int
  private let interval: Double
  private var shown: Double?
  /// The first update of this process: what the time left is reckoned from.
  private var start: (time: Double, stepsLeft: Int)?
  private var bar = ""

  /// Seconds between two pictures on a terminal.
  static let barInterval = 0.1
  /// Seconds between two lines elsewhere.
  static let lineInterval = 10.0

  /// Draws on the standard output, or nowhere.
  public convenience init(silent: Bool = false) {
    self.init(
      terminal: silent ? .none : .of(1), silent: silent, width: { Terminal.of(1).width },
      output: { text in
        FileHandle.standardOutput.writeIgnoringErrors(text)
      })
  }

  package init(
    terminal: Terminal, silent: Bool = false, width: (() -> Int)? = nil,
    output: @escaping (String) -> Void
  ) {
    self.terminal = terminal
    isSilent = silent
    self.width = width ?? { terminal.width }
    self.output = output
    interval = terminal.isInteractive ? Self.barInterval : Self.lineInterval
  }

  /// Whether an update now would show anything; lets the caller skip the gathering of a state.
  public var isDue: Bool { isDue(at: MonotonicTime.seconds) }

  func isDue(at time: Double) -> Bool {
    guard !isSilent else { return false }
    return shown.map { time - $0 >= interval } ?? true
  }

  /// Shows `state`, unless it is too early. Cheap enough for every step.
  public func update(_ state: @autoclosure () -> ProgressState) {
    guard !isSilent else { return }
    update(state(), at: MonotonicTime.seconds)
  }

  package func update(_ state: @autoclosure () -> ProgressState, at time: Double) {
    guard isDue(at: time) else { return }
    let state = state()
    let stepsLeft = state.stepsInEpoch - state.stepInEpoch + state.stepsAfterEpoch
    // The first picture of a bar comes at once, the first line only after a while: short epochs need none.
    guard let start else {
      self.start = (time, stepsLeft)
      shown = time
      if terminal.isInteractive { draw(state, secondsLeft: nil) }
      return
    }
    shown = time
    let done = start.stepsLeft - stepsLeft
    let secondsLeft = done > 0 ? (time - start.time) * Double(stepsLeft) / Double(done) : nil
    if terminal.isInteractive {
      draw(state, secondsLeft: secondsLeft)
    } else {
      output(state.line(secondsLeft: secondsLeft) + "\n")
    }
  }

  /// Ends an epoch: its line stays, in place of the bar.
  public func finishEpoch(_ summary: EpochSummary) {
    guard !isSilent else { return }
    clear()
    note(summary.text)
    shown = terminal.isInteractive ? nil : MonotonicTime.seconds
  }

  /// Shows a line that stays, above the bar if there is one.
  public func note(_ text: String) {
    guard !isSilent else { return }
    output(erasure + text + "\n" + bar)
  }

  /// Removes the bar, before something else writes.
  public func clear() {
    guard !isSilent, !bar.isEmpty else { return }
    output(erasure)
    bar = ""
  }

  /// To the line's start, and nothing behind it; empty where no bar is.
  private var erasure: String { bar.isEmpty ? "" : "\r\u{1B}[K" }

  private func draw(_ state: ProgressState, secondsLeft: Double?) {
    let next = state.bar(width: width(), unicode: terminal.hasUnicode, secondsLeft: secondsLeft)
    output(erasure + next)
    bar = next
  }
}

extension FileHandle {
  /// Writes text at once. A reader that went away must not end a training: the caller has nothing better
  /// to do about it.
  func writeIgnoringErrors(_ text: String) {
    try? write(contentsOf: Data(text.utf8))
  }
}
