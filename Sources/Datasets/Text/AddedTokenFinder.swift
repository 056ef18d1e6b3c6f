/// Finds the added tokens of a BPE tokenizer in text: the leftmost, and of those that begin together the
/// longest.
///
/// The tokens are a tree of bytes, so that a place in the text takes at most as many steps as the longest token has
/// bytes, however many tokens there are.
struct AddedTokenFinder: Sendable {
  /// Bounds those steps; markers have some ten bytes.
  static let longestContent = 1024
  /// Bounds the tree: each byte may be a node of its own.
  static let mostBytes = 1 << 20

  /// The node behind each node and byte, node << 8 | byte; the root is 0.
  private var children: [UInt32: Int32] = [:]
  /// The token that ends at each node; −1 where none does.
  private var ends: [Int32] = [-1]
  private var isFirst = [Bool](repeating: false, count: 256)

  init(_ tokens: [BPETokenizer.AddedToken] = []) {
    for token in tokens { insert(token) }
  }

  /// Adds a token, of which there may not be one with the same content.
  mutating func insert(_ token: BPETokenizer.AddedToken) {
    var node = 0
    for byte in token.content.utf8 {
      if node == 0 { isFirst[Int(byte)] = true }
      let child = child(node, byte) ?? ends.count
      if child == ends.count {
        precondition(child < 1 << 24, "added tokens of more bytes than there are numbers")
        ends.append(-1)
        children[UInt32(node) << 8 | UInt32(byte)] = Int32(child)
      }
      node = child
    }
    if node > 0 { ends[node] = token.token }
  }

  private func child(_ node: Int, _ byte: UInt8) -> Int? {
    children[UInt32(node) << 8 | UInt32(byte)].map(Int.init)
  }

  /// The added token with this content.
  func token(of content: some Sequence<UInt8>) -> Int32? {
    var node = 0
    for byte in content {
      guard let child = child(node, byte) else { return nil }
      node = child
    }
    return ends[node] >= 0 ? ends[node] : nil
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
        guard let child = child(node, bytes[index]) else { break }
        node = child
        if ends[node] >= 0 { found = (index + 1, ends[node]) }
      }
      if let found { return (offset..<found.end, found.token) }
    }
    return nil
  }
}
