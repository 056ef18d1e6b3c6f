/// Finds the added tokens of a BPE tokenizer in text: the leftmost, and of those that begin together the
/// longest.
///
/// The tokens are a tree of bytes, so that a place in the text takes at most as many steps as the longest token has
/// bytes, however many tokens there are.
struct AddedTokenFinder: Sendable {
  /// Bounds those steps; markers have some ten bytes.
  static let longestContent = 1024

  /// The node behind each node and byte, node << 8 | byte; the root is 0.
  private var children: [Int: Int] = [:]
  /// The token that ends at each node; −1 where none does.
  private var ends: [Int32] = [-1]
  private var isFirst = [Bool](repeating: false, count: 256)

  init(_ tokens: [BPETokenizer.AddedToken]) {
    for token in tokens {
      var node = 0
      for byte in token.content.utf8 {
        if node == 0 { isFirst[Int(byte)] = true }
        let edge = node << 8 | Int(byte)
        if let child = children[edge] {
          node = child
        } else {
          node = ends.count
          ends.append(-1)
          children[edge] = node
        }
      }
      if node > 0 { ends[node] = token.token }
    }
  }

  /// The first added token from a byte on.
  func first(
    in bytes: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> (range: Range<Int>, token: Int32)? {
    guard !children.isEmpty else { return nil }
    for offset in start..<bytes.count where isFirst[Int(bytes[offset])] {
      var node = 0
      var found: (end: Int, token: Int32)?
      for index in offset..<bytes.count {
        guard let child = children[node << 8 | Int(bytes[index])] else { break }
        node = child
        if ends[node] >= 0 { found = (index + 1, ends[node]) }
      }
      if let found { return (offset..<found.end, found.token) }
    }
    return nil
  }
}
