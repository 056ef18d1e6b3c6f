import Foundation
import Testing
import Training

@Suite struct ReportingProgress {
  let state = ProgressState(
    epoch: 2, epochs: 5, stepInEpoch: 57, stepsInEpoch: 100, stepsAfterEpoch: 300, loss: 0.12345,
    accuracy: 0.9712, samplesPerSecond: 84_312.4)

  @Test func `a wide terminal shows everything`() {
    let bar = state.bar(width: 120, unicode: true, secondsLeft: 72)
    for part in [
      "epoch 2/5", "57%", "loss 0.1235", "accuracy 97.12 %", "84,312 samples/s", "1:12 left", "▕█",
    ] {
      #expect(bar.contains(part), "\(bar)")
    }
    #expect(!bar.contains("\n") && !bar.contains("\u{1B}"))
  }

  @Test func `a line fits every width, dropping the least important first`() {
    var lengths: [Int] = []
    for width in 0...200 {
      for unicode in [true, false] {
        let bar = state.bar(width: width, unicode: unicode, secondsLeft: 72)
        #expect(bar.count <= max(0, width - 1), "\(width): \(bar)")
        if !unicode { #expect(!bar.contains { !$0.isASCII }) }
        lengths.append(bar.count)
      }
    }
    let narrow = state.bar(width: 32, unicode: true, secondsLeft: 72)
    #expect(narrow.contains("loss") && narrow.contains("57%") && !narrow.contains("left"))
    #expect(state.bar(width: 20, unicode: true, secondsLeft: 72).contains("57%"))
  }

  @Test func `the bar fills from nothing to everything`() {
    func bar(_ step: Int) -> String {
      var state = state
      state.stepInEpoch = step
      return state.bar(width: 120, unicode: true, secondsLeft: nil)
    }
    #expect(!bar(0).contains("█") && bar(0).contains(" 0%"))
    #expect(bar(100).contains("▕" + String(repeating: "█", count: 40) + "▏"))
    // Cells fill by eighths, so the length stays the same.
    #expect(Set((0...100).map { bar($0).count - "\($0)".count }).count == 1)
  }

  /// What a display wrote.
  private final class Written {
    var texts: [String] = []
  }

  private func display(interactive: Bool, silent: Bool = false) -> (ProgressDisplay, Written) {
    let written = Written()
    let terminal = Terminal(isInteractive: interactive, hasColor: false, hasUnicode: true, width: 100)
    return (ProgressDisplay(terminal: terminal, silent: silent) { written.texts.append($0) }, written)
  }

  @Test func `a terminal is drawn at most ten times a second, in place`() {
    let (display, written) = display(interactive: true)
    for step in 0..<1000 { display.update(state, at: 100 + Double(step) * 0.01) }
    #expect((90...101).contains(written.texts.count), "\(written.texts.count)")
    #expect(!written.texts[0].hasPrefix("\r"))
    #expect(written.texts.dropFirst().allSatisfy { $0.hasPrefix("\r\u{1B}[K") && !$0.contains("\n") })
  }

  @Test func `a bar gives way to the epoch's line and to notes`() {
    let (display, written) = display(interactive: true)
    display.update(state, at: 100)
    display.note("saved")
    #expect(written.texts[1].hasPrefix("\r\u{1B}[Ksaved\nepoch 2/5"))
    let summary = EpochSummary(
      epoch: 2, epochs: 5, trainingLoss: 0.1, trainingAccuracy: 0.9, validationLoss: 0.2,
      validationAccuracy: 0.95, samplesPerSecond: 1000, seconds: 2.5)
    display.finishEpoch(summary)
    #expect(written.texts[2...].joined() == "\r\u{1B}[K\(summary.text)\n")
    #expect(summary.text.contains("validation accuracy 95.00 %"))
    // The next epoch is drawn at once.
    display.update(state, at: 100.01)
    #expect(written.texts.count == 5 && written.texts[4].hasPrefix("epoch 2/5"))
    display.clear()
    display.clear()
    #expect(written.texts.count == 6)
  }

  @Test func `a file gets plain lines, ten seconds apart`() {
    let (display, written) = display(interactive: false)
    for step in 0...3000 { display.update(state, at: 100 + Double(step) * 0.01) }
    #expect(written.texts.count == 3 || written.texts.count == 2)
    #expect(written.texts.allSatisfy { $0.hasSuffix("\n") && !$0.contains("\r") && !$0.contains("\u{1B}") })
  }

  @Test func `the time left follows from the steps done since the start`() {
    let (display, written) = display(interactive: true)
    var state = state
    state.stepInEpoch = 50
    display.update(state, at: 100)
    #expect(!written.texts[0].contains("left"))
    state.stepInEpoch = 60
    // 10 steps in 2 s, and 340 remain.
    display.update(state, at: 102)
    #expect(written.texts[1].contains("1:08 left"))
  }

  @Test func `a silent display writes nothing and asks for no state`() {
    let (display, written) = display(interactive: true, silent: true)
    var asked = 0
    func state() -> ProgressState {
      asked += 1
      return self.state
    }
    display.update(state(), at: 100)
    display.note("x")
    display.finishEpoch(EpochSummary(epoch: 1, epochs: 1, trainingLoss: 1, samplesPerSecond: 1, seconds: 1))
    display.clear()
    #expect(written.texts.isEmpty && asked == 0 && !display.isDue)
  }

  @Test func `the environment decides what a terminal can show`() {
    func terminal(_ environment: [String: String], isTerminal: Bool = true, columns: Int? = 90) -> Terminal {
      Terminal(isTerminal: isTerminal, columns: columns, environment: environment)
    }
    let usual = ["TERM": "xterm-256color", "LANG": "de_DE.UTF-8"]
    #expect(terminal(usual) == Terminal(isInteractive: true, hasColor: true, hasUnicode: true, width: 90))
    #expect(!terminal(usual, isTerminal: false).isInteractive)
    #expect(!terminal(usual, isTerminal: false).hasColor)
    #expect(!terminal(["TERM": "dumb"]).isInteractive)
    #expect(!terminal([:]).isInteractive)
    let noColor = terminal(usual.merging(["NO_COLOR": "1"]) { $1 })
    #expect(noColor.isInteractive && !noColor.hasColor)
    #expect(!terminal(usual.merging(["LC_ALL": "C"]) { $1 }).hasUnicode)
    #expect(terminal(["COLUMNS": "50"], columns: nil).width == 50)
    #expect(terminal(["COLUMNS": "-5"], columns: nil).width == 80)
  }
}
