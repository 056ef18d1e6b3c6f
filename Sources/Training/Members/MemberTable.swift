import Foundation

/// What a sweep or a cross-validation ends in: its members in order, and what their figures have in common.
package struct MemberTable {
  private let plan: MemberPlan
  private let rows: [Row]
  /// What members are compared by, as far as it is known of them.
  private let figure: MemberFigure

  private struct Row {
    let member: Member
    let outcome: MemberOutcome?

    var results: [MemberOutcome.Result] { outcome?.state == .finished ? outcome?.results ?? [] : [] }
  }

  /// - Parameter outcomes: of the plan's members; nil where one is not settled.
  package init(_ plan: MemberPlan, _ outcomes: [MemberOutcome?]) {
    self.plan = plan
    let rows = zip(plan.members, outcomes).map(Row.init)
    let hasAccuracy = rows.contains { $0.results.first?.accuracy != nil }
    let figure =
      plan.compare == .loss || !hasAccuracy ? MemberFigure.loss : .accuracy
    self.figure = figure
    // Folds stay in their order: none is better than another.
    let sorted =
      plan.kind == .folds
      ? rows
      : rows.enumerated().sorted { one, other in
        let (a, b) = (Self.score(one.element, figure), Self.score(other.element, figure))
        return a == b ? one.offset < other.offset : a > b
      }.map(\.element)
    self.rows = sorted
  }

  /// Greater where it is better; those without a number come last.
  private static func score(_ row: Row, _ figure: MemberFigure) -> Double {
    guard let value = value(row, figure), !value.isNaN else { return -.infinity }
    // An infinite loss is still better than none.
    return figure == .accuracy ? value : max(-value, -.greatestFiniteMagnitude)
  }

  private static func value(_ row: Row, _ figure: MemberFigure) -> Double? {
    row.results.first.flatMap { figure == .accuracy ? $0.accuracy : $0.loss }
  }

  /// The splits that members were tried on, the one that counts first.
  private var splits: [MetricsRecord.Split] { rows.first { !$0.results.isEmpty }?.results.map(\.split) ?? [] }

  private var keys: [String] { plan.members.first?.parameters.map(\.key) ?? [] }

  // MARK: - Text

  /// Some lines, the last without a line end.
  package var text: String {
    let hasAccuracy = rows.contains { row in row.results.contains { $0.accuracy != nil } }
    let figures = splits.flatMap { split in
      (hasAccuracy ? ["\(split.rawValue) accuracy"] : []) + ["\(split.rawValue) loss"]
    }
    let isSweep = plan.kind == .sweep
    var lines = [
      (isSweep ? ["", "member"] : []) + keys + figures
        + (figures.isEmpty ? ["state"] : isSweep ? ["best epoch", "time", "weights"] : ["time", "weights"])
    ]
    for (index, row) in rows.enumerated() {
      let values = row.member.parameters.map(\.value)
      let start = isSweep ? [row.results.isEmpty ? "-" : "\(index + 1)", row.member.name] + values : values
      guard let outcome = row.outcome, !row.results.isEmpty else {
        lines.append(start + [row.outcome?.state.rawValue ?? "not finished"])
        continue
      }
      let cells = splits.flatMap { split -> [String] in
        let result = row.results.first { $0.split == split }
        return (hasAccuracy ? [result?.accuracy.map(NumberText.percent) ?? "-"] : [])
          + [result.map { NumberText.loss($0.loss) } ?? "-"]
      }
      let tail = [NumberText.duration(outcome.seconds ?? 0), String((outcome.digest ?? "").prefix(12))]
      lines.append(start + cells + (isSweep ? [outcome.bestEpoch.map(String.init) ?? "-"] : []) + tail)
    }
    return ([""] + Self.aligned(lines) + summary + failures).joined(separator: "\n")
  }

  private static func aligned(_ lines: [[String]]) -> [String] {
    var widths = [Int](repeating: 0, count: lines.map(\.count).max() ?? 0)
    for line in lines {
      // The last cell of a short line may reach over what is missing.
      for (column, cell) in line.enumerated() where column < line.count - 1 || line.count == widths.count {
        widths[column] = max(widths[column], cell.count)
      }
    }
    return lines.map { line in
      let cells = line.enumerated().map { column, cell in
        cell + String(repeating: " ", count: max(0, widths[column] - cell.count))
      }
      let text = "  " + cells.joined(separator: "  ")
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
  }

  /// Means and spreads: of folds for every figure, of a sweep for what it compares by, and for each value of the grid.
  private var summary: [String] {
    if plan.kind == .folds {
      let figures = spreads.map { name, split, figure, spread in
        "  \(name)  \(Self.text(spread, figure)) (standard deviation over \(spread.count) folds)"
      }
      return figures.isEmpty ? [] : [""] + figures
    }
    guard let split = splits.first, let all = Spread(rows.compactMap { Self.value($0, figure) }),
      all.count > 1
    else { return [] }
    let (best, worst) = figure == .accuracy ? (all.greatest, all.least) : (all.least, all.greatest)
    let one = { (value: Double) in Self.text(value, figure) }
    var lines = [
      "",
      "  \(split.rawValue) \(figure.rawValue) of \(all.count) members: best \(one(best)), median \(one(all.median)), "
        + "worst \(one(worst)), mean \(Self.text(all, figure))",
    ]
    for key in keys {
      let values = valuesOfMembers(key)
      guard values.count > 1, values.count < all.count else { continue }
      let parts = values.compactMap { value, rows -> String? in
        Spread(rows.compactMap { Self.value($0, figure) }).map { "\(value): \(Self.text($0, figure))" }
      }
      lines.append("  \(key)  \(parts.joined(separator: "; "))")
    }
    return lines
  }

  /// The members that have each value of a setting, in the order of the plan.
  private func valuesOfMembers(_ key: String) -> [(value: String, rows: [Row])] {
    var values: [(value: String, rows: [Row])] = []
    for row in rows.sorted(by: { $0.member.number < $1.member.number }) {
      guard let value = row.member.parameters.first(where: { $0.key == key })?.value else { continue }
      if let place = values.firstIndex(where: { $0.value == value }) {
        values[place].rows.append(row)
      } else {
        values.append((value, [row]))
      }
    }
    return values
  }

  private var failures: [String] {
    let failed = rows.filter { $0.outcome?.state == .failed }
    guard !failed.isEmpty else { return [] }
    return [""]
      + failed.map { "  member \($0.member.name) failed: \($0.outcome?.reason ?? "")" }
  }

  private static func text(_ value: Double, _ figure: MemberFigure) -> String {
    figure == .accuracy ? NumberText.percent(value) : NumberText.loss(value)
  }

  /// `97.12 % ± 0.31`
  private static func text(_ spread: Spread, _ figure: MemberFigure) -> String {
    let deviation = spread.deviation.map { deviation in
      " ± " + (figure == .accuracy ? NumberText.fixed(100 * deviation, 2) : NumberText.loss(deviation))
    }
    return text(spread.mean, figure) + (deviation ?? "")
  }

  /// Of every figure on every split.
  private var spreads: [(name: String, split: MetricsRecord.Split, figure: MemberFigure, spread: Spread)] {
    splits.flatMap { split in
      [MemberFigure.accuracy, .loss].compactMap { figure in
        let values = rows.compactMap { row in
          row.results.first { $0.split == split }.flatMap { figure == .accuracy ? $0.accuracy : $0.loss }
        }
        return Spread(values).map { ("\(split.rawValue) \(figure.rawValue)", split, figure, $0) }
      }
    }
  }

  // MARK: - For other programs

  private struct Record: Encodable {
    let member: Int
    let state: String
    let parameters: [String: String]
    let outcome: MemberOutcome?
    let folder: String
  }

  private struct Summary: Encodable {
    let split: String
    let figure: String
    let spread: Spread
  }

  private struct Document: Encodable {
    let kind: String
    let comparedBy: String
    let members: [Record]
    let summary: [Summary]
  }

  private static func state(_ row: Row) -> String { row.outcome?.state.rawValue ?? "open" }

  package func json() throws -> [UInt8] {
    let document = Document(
      kind: plan.kind.rawValue, comparedBy: figure.rawValue,
      members: rows.map { row in
        Record(
          member: row.member.number, state: Self.state(row),
          parameters: Dictionary(row.member.parameters.map { ($0.key, $0.value) }) { $1 },
          outcome: row.outcome, folder: "members/\(row.member.name)")
      },
      summary: spreads.map {
        Summary(split: $0.split.rawValue, figure: $0.figure.rawValue, spread: $0.spread)
      })
    return Array(try MemberOutcome.encoder.encode(document))
  }

  /// One line a member in the table's order, behind one of names (RFC 4180).
  package var csv: String {
    let splits: [MetricsRecord.Split] = [.validation, .test]
    var lines = [
      ["member", "state"] + keys + splits.flatMap { ["\($0.rawValue)_loss", "\($0.rawValue)_accuracy"] }
        + ["best_epoch", "steps", "seconds", "digest", "folder", "reason"]
    ]
    for row in rows {
      let results = splits.flatMap { split -> [String] in
        let result = row.results.first { $0.split == split }
        return [result.map { "\($0.loss)" } ?? "", result?.accuracy.map { "\($0)" } ?? ""]
      }
      let outcome = row.outcome
      lines.append(
        ["\(row.member.number)", Self.state(row)] + row.member.parameters.map(\.value) + results + [
          outcome?.bestEpoch.map(String.init) ?? "", outcome?.steps.map(String.init) ?? "",
          outcome?.seconds.map { NumberText.fixed($0, 3) } ?? "", outcome?.digest ?? "",
          "members/\(row.member.name)", outcome?.reason ?? "",
        ])
    }
    return lines.map { $0.map(Self.field).joined(separator: ",") + "\r\n" }.joined()
  }

  private static func field(_ text: String) -> String {
    text.contains(where: { ",\"\r\n".contains($0) || $0.isNewline })
      ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
  }
}
