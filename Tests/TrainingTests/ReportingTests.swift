import Foundation
import Testing

import Training

/// A folder of its own for `body`, removed afterwards.
private func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}

private func record(_ step: Int, _ loss: Double = 0.5, seconds: Double = 1) -> MetricsRecord {
  MetricsRecord(step: step, epoch: 1, split: .train, loss: loss, seconds: seconds)
}

@Suite struct ReportingMetrics {
  @Test func eventsAreNoRecordsAndAreKeptLikeThem() throws {
    try withFolder { folder in
      let path = "\(folder)/metrics.jsonl"
      func event(_ step: Int) -> String {
        "{\"step\":\(step),\"epoch\":1,\"event\":\"checkpoint\",\"bytes\":9,\"seconds\":\(step).5}\n"
      }
      let record = "{\"step\":20,\"epoch\":1,\"split\":\"train\",\"loss\":1.5,\"seconds\":20.0}\n"
      try Data((event(10) + record + event(20) + event(30)).utf8).write(to: URL(fileURLWithPath: path))
      #expect(try MetricsRecord.read(at: path).map(\.step) == [20])
      let writer = try MetricsWriter(at: path, resumingAfterStep: 20)
      #expect((20.5..<30).contains(writer.seconds))
      #expect(try String(contentsOfFile: path, encoding: .utf8) == event(10) + record + event(20))
    }
  }

  @Test func `records read back, and leave out what they do not have`() throws {
    try withFolder { folder in
      let path = "\(folder)/metrics.jsonl"
      let full = MetricsRecord(
        step: 7, epoch: 2, split: .validation, loss: 0.1234567890123, accuracy: 0.975,
        samplesPerSecond: 1234.5, seconds: 3.25)
      let writer = try MetricsWriter(at: path)
      try writer.write(full)
      try writer.write(record(8))
      #expect(try MetricsRecord.read(at: path) == [full, record(8)])
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 2)
      #expect(!lines[1].contains("accuracy") && !lines[1].contains("samplesPerSecond"))
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func `numbers that JSON does not have become null`(loss: Double) throws {
    try withFolder { folder in
      let path = "\(folder)/metrics.jsonl"
      try MetricsWriter(at: path).write(
        MetricsRecord(step: 1, epoch: 1, split: .test, loss: loss, accuracy: .nan, seconds: 1))
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      #expect(object?["loss"] is NSNull)
      #expect(object?["accuracy"] is NSNull)
      #expect(try MetricsRecord.read(at: path)[0].loss.isNaN)
    }
  }

  @Test func `resuming removes later steps, torn and damaged lines, and lets time go on`() throws {
    try withFolder { folder in
      let path = "\(folder)/metrics.jsonl"
      let good = [record(50, seconds: 10), record(100, seconds: 20.5), record(150, seconds: 30)]
      var text = good.map { $0.json + "\n" }.joined()
      text = "{\"damaged\n" + text + String(record(200).json.prefix(20))
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      #expect(throws: ReportingError.self) { try MetricsRecord.read(at: path) }
      let writer = try MetricsWriter(at: path, resumingAfterStep: 100)
      #expect(try MetricsRecord.read(at: path) == Array(good[..<2]))
      #expect(writer.seconds >= 20.5 && writer.seconds < 30)
      try writer.write(step: 150, epoch: 2, split: .test, loss: 1)
      #expect(try MetricsRecord.read(at: path).map(\.step) == [50, 100, 150])
      #expect(try MetricsRecord.read(at: path)[2].seconds >= 20.5)
      _ = try MetricsWriter(at: path)
      #expect(try MetricsRecord.read(at: path).isEmpty)
    }
  }

  @Test func `a torn last line is not read`() throws {
    try withFolder { folder in
      let path = "\(folder)/metrics.jsonl"
      let whole = record(1).json + "\n"
      let second = record(2).json
      for length in 0...second.utf8.count {
        try Data((whole + second.prefix(length)).utf8).write(to: URL(fileURLWithPath: path))
        #expect(try MetricsRecord.read(at: path) == [record(1)])
      }
    }
  }

  @Test func `files that cannot be opened are told`() throws {
    #expect(throws: ReportingError.self) { try MetricsWriter(at: "/nonexistent/folder/metrics.jsonl") }
    #expect(throws: ReportingError.self) { try MetricsRecord.read(at: "/nonexistent/folder/metrics.jsonl") }
  }
}

@Suite struct ReportingTime {
  @Test func `phases add up to the whole time, whatever nests in what`() {
    var time = TimeAccount()
    let begin = MonotonicTime.nanoseconds
    time.enter(.compute)
    let before = time.enter(.communication)
    #expect(before == .compute)
    time.enter(before)
    time.measure(.data) { _ = (0..<1000).reduce(0, +) }
    #expect(time.phase == .compute)
    time.enter(.other)
    let total = TimeAccount.Phase.allCases.reduce(0) { $0 + time.nanoseconds($1) }
    #expect(total > 0 && total <= MonotonicTime.nanoseconds - begin + 1_000_000)
  }

  @Test func `each phase gets its own time`() {
    var time = TimeAccount()
    var now = MonotonicTime.nanoseconds + 1_000_000_000
    time.enter(.compute, at: now)
    let order: [TimeAccount.Phase] = [.compute, .communication, .data, .validation, .checkpoint, .other]
    for (index, phase) in order.enumerated() {
      time.enter(phase, at: now)
      now += UInt64(index + 1) * 1000
    }
    let otherBefore = time.nanoseconds(.other)
    time.enter(.compute, at: now)
    #expect(order.dropLast().map { time.nanoseconds($0) } == [1000, 2000, 3000, 4000, 5000])
    #expect(time.nanoseconds(.other) - otherBefore == 6000)
  }

  @Test(arguments: [
    [1, 1, 1], [2.0, 1, 0, 0, 0, 0], [0.1, 0.1, 0.7], [1e-9, 5], [7.0, 7, 7, 7, 7, 7, 7],
  ])
  func `percentages add up to 100`(seconds: [Double]) {
    let shares = TimeAccount.percentages(of: seconds)
    #expect(shares.reduce(0, +) == 100)
    let total = seconds.reduce(0, +)
    for (share, part) in zip(shares, seconds) { #expect(abs(Double(share) - 100 * part / total) < 1) }
  }

  @Test func `no time has no percentages`() {
    #expect(TimeAccount.percentages(of: [0, 0]) == [0, 0])
    #expect(TimeAccount.percentages(of: [.nan, 1]) == [0, 0])
  }
}

@Suite struct ReportingTexts {
  @Test func `numbers are written for people`() {
    #expect(NumberText.grouped(1_234_567) == "1,234,567")
    #expect(NumberText.grouped(999) == "999")
    #expect(NumberText.grouped(-1000) == "-1,000")
    #expect(NumberText.loss(0.12345) == "0.1235")
    #expect(NumberText.loss(1.5e-6) == "1.50e-06")
    #expect(NumberText.loss(.nan) == "not a number")
    #expect(NumberText.clock(7) == "0:07")
    #expect(NumberText.clock(59.9) == "1:00")
    #expect(NumberText.clock(11_232) == "3:07:12")
    #expect(NumberText.clock(183_600) == "2 d 3 h")
    #expect(NumberText.clock(.infinity) == "?")
    #expect(NumberText.bytes(64 * 1_048_576) == "64 MiB")
    #expect(NumberText.bytes(3.25 * 1_073_741_824) == "3.2 GiB")
    #expect(NumberText.bytes(12) == "12 bytes")
  }

  @Test func `log lines carry the time, and further lines are indented`() throws {
    #expect(
      RunLog.lines(.warning, "one\ntwo", seconds: 1_714_564_800.125)
        == "2024-05-01T12:00:00.125Z warning: one\n    two\n")
    try withFolder { folder in
      let path = "\(folder)/log.txt"
      let log = RunLog(at: path, silent: true)
      log.message("first")
      RunLog(at: path, silent: true).warning("second")
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 2)
      #expect(lines[0].hasSuffix("Z first") && lines[1].hasSuffix("Z warning: second"))
    }
  }

  @Test func `a summary says how good, how fast, where, and what next`() {
    var summary = RunSummary(
      results: [.init(split: .test, loss: 0.0812, accuracy: 0.9765, samples: 10_000)], bestEpoch: 4,
      epochs: 5,
      steps: 2345, samplesPerSecond: 65_432, totalSeconds: 95, phases: [80, 10, 1, 3, 1, 0.01], ranks: 8,
      threads: 1, folder: "runs/my run", digest: "abc123")
    for part in [
      "accuracy 97.65 %", "loss 0.0812", "10,000 samples", "4 of 5",
      "65,432 samples/s on 8 ranks with 1 thread each",
      "1:35 for 2,345 steps", "compute 84 %", "communication 11 %", "runs/my run/metrics.jsonl",
      "lockstep evaluate 'runs/my run'", "abc123",
    ] {
      #expect(summary.text.contains(part), "\(part) in\n\(summary.text)")
    }
    #expect(!summary.text.contains("other"))
    summary.folder = nil
    #expect(!summary.text.contains("next"))
    #expect(RunSummary.shellWord("it's") == "'it'\\''s'")
    #expect(RunSummary.shellWord("runs/a-1_b.c") == "runs/a-1_b.c")
  }

  @Test func `a confusion matrix knows its classes and mistakes`() throws {
    var matrix = ConfusionMatrix(classes: 3)
    for (actual, predicted, times) in [(0, 0, 8), (0, 1, 2), (1, 1, 5), (1, 0, 3), (2, 2, 0)] {
      for _ in 0..<times { matrix.add(actual: actual, predicted: predicted) }
    }
    #expect(matrix.count(actual: 0, predicted: 1) == 2)
    #expect(matrix.accuracy == 13.0 / 18)
    #expect(matrix.accuracy(of: 0) == 0.8)
    #expect(matrix.accuracy(of: 1) == 0.625)
    #expect(matrix.accuracy(of: 2) == nil)
    #expect(matrix.commonestConfusions(5).map(\.count) == [3, 2])
    let first = try #require(matrix.commonestConfusions(1).first)
    #expect((first.actual, first.predicted) == (1, 0))
    #expect(matrix == ConfusionMatrix(classes: 3, counts: matrix.counts))
    let text = matrix.text(names: ["cat", "dog", "owl"])
    #expect(text.contains("dog taken for cat (3), cat taken for dog (2)"))
    #expect(text.contains("80.00 %") && text.contains("no samples"))
    let rows = text.split(separator: "\n")
    #expect(rows[2].split(separator: " ").prefix(4) == ["cat", "8", "2", "."])
    #expect(ConfusionMatrix(classes: 2).accuracy == nil)
    var many = ConfusionMatrix(classes: 100)
    many.add(actual: 70, predicted: 3)
    many.add(actual: 71, predicted: 71)
    #expect(many.text().contains("70  0.00 %"))
  }

  /// 28 x 28 with a bright rectangle.
  private func image(rows: Range<Int>, columns: Range<Int>, low: Float, high: Float) -> [Float] {
    (0..<784).map { rows.contains($0 / 28) && columns.contains($0 % 28) ? high : low }
  }

  @Test func `digits are drawn two pixels a character`() {
    let picture = image(rows: 3..<9, columns: 5..<7, low: -0.5, high: 2)
    let text = DigitPreview.render(images: picture, predicted: [3], actual: [3], columns: 80, style: .blocks)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 16 && lines.last == "")
    let blank = String(repeating: " ", count: 28)
    #expect(lines[0] == Substring(blank))
    #expect(lines[1] == Substring("     ▄▄" + String(repeating: " ", count: 21)))
    #expect(lines[2] == Substring("     ██" + String(repeating: " ", count: 21)))
    #expect(lines[4] == Substring("     ▀▀" + String(repeating: " ", count: 21)))
    #expect(lines[5] == Substring(blank))
    #expect(lines[14] == "  3 ✓")
  }

  @Test func `as many digits stand side by side as fit`() {
    let one = image(rows: 0..<28, columns: 0..<28, low: 0, high: 1)
    let images = Array(repeating: one, count: 5).flatMap { $0 }
    for (columns, perRow) in [(10, 1), (28, 1), (57, 1), (58, 2), (88, 3), (1000, 5)] {
      let text = DigitPreview.render(
        images: images, predicted: [1, 2, 3, 4, 5], actual: [1, 2, 3, 4, 6], columns: columns, style: .ascii)
      let lines = text.split(separator: "\n")
      #expect(lines.count == (5 + perRow - 1) / perRow * 15, "\(columns)")
      #expect(lines.allSatisfy { $0.count <= max(28, columns) && !$0.contains { !$0.isASCII } })
      #expect(text.contains("5, is 6") && text.contains("1, right"))
    }
  }

  @Test func `images without contrast or with broken pixels are drawn dark`() {
    for pixel in [Float.nan, 0, 7] {
      let flat = [Float](repeating: pixel, count: 784)
      let text = DigitPreview.render(images: flat, predicted: [0], actual: [1], columns: 30, style: .blocks)
      #expect(text.split(separator: "\n").prefix(14).allSatisfy { $0.allSatisfy { $0 == " " } })
      let color = DigitPreview.render(images: flat, predicted: [0], actual: [1], columns: 30, style: .color)
      #expect(color.contains("\u{1B}[38;5;232;48;5;232m▀") && color.contains("\u{1B}[0m"))
    }
  }
}
