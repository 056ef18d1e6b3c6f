/// The shape in which the gradients of shards are added, whoever adds them.
///
/// Floating-point addition depends on its order; so the order is fixed: shards 0..<n are leaves, and a node
/// over n leaves splits at the largest power of two below n. A node whose one side is empty (shards without
/// samples) is the other side.
package enum CanonicalTree {
  /// Where a node over these shards splits; `nil` for a leaf.
  package static func split(_ node: Range<Int>) -> Int? {
    guard node.count > 1 else { return nil }
    var half = 1
    while half * 2 < node.count { half *= 2 }
    return node.lowerBound + half
  }

  /// The largest nodes of the tree over `shards` that lie within `run`, in order: what a rank that computes
  /// these shards can add by itself. At most about 2·log₂ of their number; one, if all are powers of two.
  package static func nodes(within run: Range<Int>, shards: Int) -> [Range<Int>] {
    func visit(_ node: Range<Int>) -> [Range<Int>] {
      if node.clamped(to: run).isEmpty { return [] }
      if run.lowerBound <= node.lowerBound, node.upperBound <= run.upperBound { return [node] }
      guard let middle = split(node) else { return [] }
      return visit(node.lowerBound..<middle) + visit(middle..<node.upperBound)
    }
    return visit(0..<shards)
  }

  /// Adds up a node: `leaf` gives the value of a node that need not be split further (or `nil` where it is
  /// empty, or `.split` to go on), `add` adds the second value into the first.
  package static func fold<Value>(
    _ node: Range<Int>, leaf: (Range<Int>) -> Leaf<Value>, add: (Value, Value) -> Value
  ) -> Value? {
    switch leaf(node) {
    case .value(let value): return value
    case .empty: return nil
    case .split:
      guard let middle = split(node) else { preconditionFailure("shard \(node.lowerBound) has no value") }
      let left = fold(node.lowerBound..<middle, leaf: leaf, add: add)
      let right = fold(middle..<node.upperBound, leaf: leaf, add: add)
      guard let left, let right else { return left ?? right }
      return add(left, right)
    }
  }

  package enum Leaf<Value> {
    case value(Value)
    case empty
    case split
  }
}
