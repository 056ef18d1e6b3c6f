/// Finds the added tokens of a BPE tokenizer in text: the leftmost, and of those that begin together the
/// longest.
struct AddedTokenFinder: Sendable {
  private struct Entry: Sendable {
    let content: [UInt8]
    let token: Int32
  }

  /// By first byte, the longest first.
  private let entries: [UInt8: [Entry]]
  private let isFirst: [Bool]

  init(_ tokens: [BPETokenizer.AddedToken]) {
    var entries: [UInt8: [Entry]] = [:]
    var isFirst = [Bool](repeating: false, count: 256)
    for token in tokens {
      let content = Array(token.content.utf8)
      guard let first = content.first else { continue }
      isFirst[Int(first)] = true
      entries[first, default: []].append(Entry(content: content, token: token.token))
    }
    self.entries = entries.mapValues { $0.sorted { $0.content.count > $1.content.count } }
    self.isFirst = isFirst
  }

  /// The first added token from a byte on.
  func first(
    in bytes: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> (range: Range<Int>, token: Int32)? {
    guard !entries.isEmpty else { return nil }
    for offset in start..<bytes.count where isFirst[Int(bytes[offset])] {
      for entry in entries[bytes[offset]] ?? [] {
        let end = offset + entry.content.count
        if end <= bytes.count, bytes[offset..<end].elementsEqual(entry.content) {
          return (offset..<end, entry.token)
        }
      }
    }
    return nil
  }
}
