import Foundation

/// What some figures have in common.
package struct Spread: Equatable, Codable {
  package let count: Int
  package let mean: Double
  /// Of a sample, which divides by one less than the count; nil of one figure.
  package let deviation: Double?
  package let least: Double
  package let median: Double
  package let greatest: Double

  /// nil where there is none.
  package init?(_ figures: [Double]) {
    guard !figures.isEmpty else { return nil }
    let sorted = figures.sorted()
    count = figures.count
    (least, greatest) = (sorted[0], sorted[count - 1])
    median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    let mean = figures.reduce(0, +) / Double(count)
    self.mean = mean
    let squares = figures.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = count > 1 ? (squares / Double(count - 1)).squareRoot() : nil
  }
}
