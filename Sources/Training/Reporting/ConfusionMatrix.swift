/// How often samples of each class were taken for each class.
public struct ConfusionMatrix: Sendable, Equatable {
  public let classes: Int
  /// `[actual, predicted]`, row by row; what ranks can add up.
  public private(set) var counts: [Int64]

  public init(classes: Int) {
    precondition(classes > 0, "classes must be above 0, is \(classes)")
    self.classes = classes
    counts = [Int64](repeating: 0, count: classes * classes)
  }

  /// - Parameter counts: `[actual, predicted]`, row by row.
  public init(classes: Int, counts: [Int64]) {
    precondition(counts.count == classes * classes, "\(counts.count) counts for \(classes) classes")
    self.classes = classes
    self.counts = counts
  }

  /// Counts one sample.
  public mutating func add(actual: Int, predicted: Int) {
    precondition(
      (0..<classes).contains(actual) && (0..<classes).contains(predicted),
      "classes are 0..<\(classes); actual \(actual), predicted \(predicted)")
    counts[actual * classes + predicted] += 1
  }

  public func count(actual: Int, predicted: Int) -> Int64 { counts[actual * classes + predicted] }

  /// Samples of a class.
  public func samples(of actual: Int) -> Int64 {
    counts[actual * classes..<(actual + 1) * classes].reduce(0, +)
  }

  /// The part of all samples whose class was found; nil without samples.
  public var accuracy: Double? {
    let all = counts.reduce(0, +)
    guard all > 0 else { return nil }
    return Double((0..<classes).reduce(0) { $0 + count(actual: $1, predicted: $1) }) / Double(all)
  }

  /// The part of the samples of a class whose class was found; nil without samples.
  public func accuracy(of actual: Int) -> Double? {
    let all = samples(of: actual)
    return all > 0 ? Double(count(actual: actual, predicted: actual)) / Double(all) : nil
  }

  /// A mistake, and how often it was made.
  public struct Confusion: Sendable, Equatable {
    public let actual: Int
    public let predicted: Int
    public let count: Int64
  }

  /// The commonest mistakes first, at most `limit`; equal ones by class.
  public func commonestConfusions(_ limit: Int) -> [Confusion] {
    var mistakes: [Confusion] = []
    for actual in 0..<classes {
      for predicted in 0..<classes where predicted != actual {
        let count = count(actual: actual, predicted: predicted)
        if count > 0 { mistakes.append(Confusion(actual: actual, predicted: predicted, count: count)) }
      }
    }
    let sorted = mistakes.sorted {
      ($1.count, $0.actual, $0.predicted) < ($0.count, $1.actual, $1.predicted)
    }
    return Array(sorted.prefix(limit))
  }

  /// The matrix for at most 20 classes, each class's accuracy beside it, and the commonest mistakes.
  ///
  /// - Parameter names: of the classes; their numbers where none are given.
  public func text(names: [String]? = nil) -> String {
    precondition(names.map { $0.count == classes } ?? true, "\(classes) classes need as many names")
    let names = (names ?? (0..<classes).map { "\($0)" })
    var lines: [String] = []
    if classes <= 20 {
      let nameWidth = max(names.map(\.count).max() ?? 1, 6)
      let width = max(names.map(\.count).max() ?? 1, counts.map { "\($0)".count }.max() ?? 1)
      lines.append("rows: the true class; columns: the predicted one")
      lines.append(Self.padded("", nameWidth) + names.map { "  " + Self.padded($0, width) }.joined())
      for actual in 0..<classes {
        let cells = (0..<classes).map { predicted -> String in
          let count = count(actual: actual, predicted: predicted)
          return "  " + Self.padded(count == 0 ? "." : "\(count)", width)
        }
        let share = accuracy(of: actual).map { NumberText.percent($0) } ?? "no samples"
        lines.append(Self.padded(names[actual], nameWidth) + cells.joined() + "   " + share)
      }
    } else {
      let known = (0..<classes).compactMap { index in accuracy(of: index).map { (index, $0) } }
      lines.append("classes with the most mistakes")
      for (index, share) in known.sorted(by: { ($0.1, $0.0) < ($1.1, $1.0) }).prefix(10) {
        lines.append("  \(names[index])  \(NumberText.percent(share))")
      }
    }
    let mistakes = commonestConfusions(3)
    if !mistakes.isEmpty {
      let words = mistakes.map { "\(names[$0.actual]) taken for \(names[$0.predicted]) (\($0.count))" }
      lines.append("commonest: " + words.joined(separator: ", "))
    }
    return lines.joined(separator: "\n")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
