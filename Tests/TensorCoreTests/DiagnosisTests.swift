import TensorCore
import Testing

@Suite struct DiagnosisTests {
  private func shown(_ text: String) -> String {
    Diagnosis(at: "file", expected: "a name", found: text, remedy: "Mend it.").found
  }

  @Test func ordinaryTextsStayAsTheyAre() {
    for text in ["", "two words", "“é” (U+00E9)", "3 × 4", "日本語", String(repeating: "a", count: 1024)] {
      #expect(shown(text) == text)
    }
  }

  @Test func textsOfFilesGiveTheTerminalNoCommands() {
    #expect(shown("a\u{1B}[2Jb\nc\u{7F}\u{9B}d") == "a\\u{1b}[2Jb\\u{a}c\\u{7f}\\u{9b}d")
    // What turns the direction of writing would show another name than there is.
    #expect(shown("a\u{202E}b\u{2028}c") == "a\\u{202e}b\\u{2028}c")
  }

  @Test func longTextsLoseTheirMiddle() {
    let text = shown("begin" + String(repeating: "é", count: 1 << 20) + "end")
    #expect(text.hasPrefix("beginéé") && text.hasSuffix("ééend") && text.contains(" … "))
    #expect(text.utf8.count <= 1024)
    let oneCharacter = shown("a" + String(repeating: "\u{301}", count: 1 << 20))
    #expect(oneCharacter.utf8.count <= 1024)
  }
}
