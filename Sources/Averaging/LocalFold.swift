/// How one rank computes its shards and adds them up, as a list of actions over a few buffers, worked out
/// once for each size of batch. The additions are those of the canonical tree.
package struct LocalFold {
  package enum Action {
    /// Computes a shard's gradient into a buffer.
    case compute(shard: Int, buffer: Int)
    /// Adds one buffer to another.
    case add(buffer: Int, into: Int)
  }

  /// The sum of one node of the tree, once all actions are done.
  package struct Partial {
    package let node: Range<Int>
    package let buffer: Int
  }

  package private(set) var actions: [Action] = []
  /// What this rank contributes, in the order of the tree; nodes without samples are missing.
  package private(set) var partials: [Partial] = []
  /// Gradient vectors that are needed at a time.
  package private(set) var bufferCount = 0
  private var free: [Int] = []

  /// The place of the addition that makes the sum of all shards of the step, where this rank alone has them.
  package private(set) var lastOfTree: Int?

  /// The place of the last computation among the actions; what follows are additions. −1 without any.
  package private(set) var lastComputation = -1

  private let whole: Range<Int>

  /// - Parameter sizes: the number of samples of each shard of the batch.
  package init(run: Range<Int>, shards: Int, sizes: [Int]) {
    whole = 0..<shards
    for node in CanonicalTree.nodes(within: run, shards: shards) {
      if let buffer = fold(node, sizes) { partials.append(Partial(node: node, buffer: buffer)) }
    }
    lastComputation = actions.lastIndex { if case .compute = $0 { true } else { false } } ?? -1
  }

  private mutating func fold(_ node: Range<Int>, _ sizes: [Int]) -> Int? {
    guard let middle = CanonicalTree.split(node) else {
      guard sizes[node.lowerBound] > 0 else { return nil }
      let buffer = free.popLast() ?? bufferCount
      bufferCount = max(bufferCount, buffer + 1)
      actions.append(.compute(shard: node.lowerBound, buffer: buffer))
      return buffer
    }
    let left = fold(node.lowerBound..<middle, sizes)
    let right = fold(middle..<node.upperBound, sizes)
    guard let left, let right else { return left ?? right }
    if node == whole { lastOfTree = actions.count }
    actions.append(.add(buffer: right, into: left))
    free.append(right)
    return left
  }
}
