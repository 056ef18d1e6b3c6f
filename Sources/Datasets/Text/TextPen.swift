import Foundation
import TensorCore

/// Writes text by chance, and keeps account of how much chance there was.
struct TextPen {
  private(set) var bytes: [UInt8] = []
  /// The information in all choices so far, in nats: −ln of their probability.
  private(set) var information = 0.0
  private var stream: RandomStream

  init(_ stream: RandomStream) { self.stream = stream }

  /// Goes on with another stream.
  mutating func turn(to stream: RandomStream) { self.stream = stream }

  mutating func write(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Writes a sentence's or a line's first letter large.
  mutating func writeCapitalized(_ text: String) {
    write(text.prefix(1).uppercased())
    write(String(text.dropFirst()))
  }

  /// A number in 0..<count, each as likely as the others.
  mutating func number(below count: Int) -> Int {
    information += log(Double(count))
    return stream.integer(below: count)
  }

  /// The number of a weight, as likely as it is large.
  mutating func choice(_ weights: Int...) -> Int { choice(weights) }

  private mutating func choice(_ weights: [Int]) -> Int {
    let total = weights.reduce(0, +)
    var rest = stream.integer(below: total)
    for (index, weight) in weights.enumerated() {
      if rest < weight {
        information += log(Double(total) / Double(weight))
        return index
      }
      rest -= weight
    }
    preconditionFailure("weights add up")
  }

  /// Whether it happens, `chances` times of `total`.
  mutating func happens(_ chances: Int, of total: Int) -> Bool { choice(chances, total - chances) == 0 }

  /// One of a list, by Zipf's law: the first is the most frequent.
  mutating func frequent<Element>(_ list: [Element]) -> Element {
    list[choice(list.indices.map { 720 / ($0 + 2) })]
  }

  /// One of a list, each as likely.
  mutating func any<Element>(_ list: [Element]) -> Element { list[number(below: list.count)] }
}
