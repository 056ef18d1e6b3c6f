import Foundation

/// How well a text can be told without a model: what a model's loss is to be compared with.
public struct TextEntropy: Sendable, Equatable {
  /// Nats a token if each is told from the tokens' frequencies alone.
  public let single: Double
  /// Nats a token if each is told from the one before it.
  public let afterOne: Double

  /// Counts tokens and pairs of neighbours: H(X) = −Σ p(x) ln p(x), and H(Y | X) = −Σ p(x, y) ln p(y | x).
  public init(of tokens: [Int32]) {
    var counts: [Int32: Int] = [:]
    var pairs: [TokenPair: Int] = [:]
    var firsts: [Int32: Int] = [:]
    for token in tokens { counts[token, default: 0] += 1 }
    for (left, right) in zip(tokens, tokens.dropFirst()) {
      pairs[TokenPair(left, right), default: 0] += 1
      firsts[left, default: 0] += 1
    }
    // Sorted, because a sum of floats depends on its order, and a dictionary has a new one in each process.
    var single = 0.0
    for count in counts.values.sorted() {
      single -= Double(count) * log(Double(count) / Double(tokens.count))
    }
    var afterOne = 0.0
    for (pair, count) in pairs.sorted(by: { $0.key < $1.key }) {
      afterOne -= Double(count) * log(Double(count) / Double(firsts[pair.left] ?? count))
    }
    self.single = tokens.isEmpty ? 0 : single / Double(tokens.count)
    self.afterOne = tokens.count < 2 ? 0 : afterOne / Double(tokens.count - 1)
  }
}
