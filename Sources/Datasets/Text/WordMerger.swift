/// Two neighbouring tokens in one number.
struct TokenPair: Hashable, Comparable {
  let packed: UInt64

  init(_ left: Int32, _ right: Int32) {
    packed = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  var left: Int32 { Int32(truncatingIfNeeded: packed >> 32) }
  var right: Int32 { Int32(truncatingIfNeeded: packed) }

  static func < (one: TokenPair, other: TokenPair) -> Bool { one.packed < other.packed }
}

/// What a pair of tokens becomes, and before which others.
struct Merge {
  let rank: UInt32
  let token: Int32
}

/// Merges the tokens of one word: of all neighbours that can merge, those of the lowest rank first, and of
/// those the leftmost, until none can.
///
/// The tokens are a linked list and the possible merges a heap, so that n bytes take n log n steps even
/// where a text has no spaces. The memory is kept from word to word.
struct WordMerger {
  private var tokens: [Int32] = []
  /// The number of the following and of the preceding token; n and −1 beyond the ends.
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// rank << 32 | position of the left token. Some are out of date: the pair is looked up again.
  private var candidates = PriorityQueue<UInt64>()
  /// Marks what was merged into its left neighbour.
  private static let gone: Int32 = -1
  /// Places in a word have 31 bits, and each byte of it takes some thirty bytes here.
  static let longestWord = 1 << 26

  /// Replaces the tokens of a word by what they merge to.
  mutating func merge(_ word: inout [Int32], by merges: MergeTable) {
    let count = word.count
    guard count > 1 else { return }
    swap(&tokens, &word)
    defer { swap(&tokens, &word) }
    next.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    candidates.removeAll()
    for index in 0..<count {
      next.append(Int32(index + 1))
      previous.append(Int32(index - 1))
    }
    for index in 0..<count - 1 { propose(index, merges) }
    while let candidate = candidates.removeFirst() {
      let position = Int(candidate & 0xFFFF_FFFF)
      guard tokens[position] != Self.gone, Int(next[position]) < count else { continue }
      let right = Int(next[position])
      guard let merge = merges[TokenPair(tokens[position], tokens[right])],
        UInt64(merge.rank) == candidate >> 32
      else { continue }
      tokens[position] = merge.token
      tokens[right] = Self.gone
      next[position] = next[right]
      if Int(next[right]) < count { previous[Int(next[right])] = Int32(position) }
      propose(position, merges)
      if previous[position] >= 0 { propose(Int(previous[position]), merges) }
    }
    tokens.removeAll { $0 == Self.gone }
  }

  /// Notes that a token may merge with the one behind it.
  private mutating func propose(_ position: Int, _ merges: MergeTable) {
    let right = Int(next[position])
    guard right < tokens.count else { return }
    guard let merge = merges[TokenPair(tokens[position], tokens[right])] else { return }
    candidates.insert(UInt64(merge.rank) << 32 | UInt64(position))
  }
}
