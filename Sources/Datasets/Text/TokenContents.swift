/// The bytes of each token of a vocabulary, in one array: two hundred thousand arrays would take several times as much.
struct TokenContents: Sendable {
  private var bytes: [UInt8] = []
  /// Where in `bytes` those of each token lie; empty where they are not known yet.
  private var ranges: [Range<Int>] = []

  init() {}

  /// - Parameters:
  ///   - count: the tokens, whose bytes are to be `put`.
  ///   - byteCount: what to have room for.
  init(count: Int, byteCount: Int) {
    ranges = [Range<Int>](repeating: 0..<0, count: count)
    // The pages of a large allocation become real when they are written.
    bytes.reserveCapacity(byteCount)
  }

  var count: Int { ranges.count }

  subscript(token: Int) -> ArraySlice<UInt8> { bytes[ranges[token]] }

  /// Adds a token behind all others.
  mutating func append(_ content: [UInt8]) {
    ranges.append(bytes.count..<bytes.count + content.count)
    bytes += content
  }

  /// Says what a token's bytes are, which were not known; they must not be none.
  mutating func put(_ content: [UInt8], at token: Int) {
    precondition(ranges[token].isEmpty && !content.isEmpty, "the bytes of token \(token) are known")
    ranges[token] = bytes.count..<bytes.count + content.count
    bytes += content
  }

  /// Forgets the tokens from `count` on.
  mutating func cut(to count: Int) { ranges.removeSubrange(count...) }
}

/// Finds tokens by their bytes: a hash table with open addressing, of numbers alone.
struct TokenIndex {
  /// Token + 1 in each slot; 0 is free.
  private var slots: [UInt32]

  /// - Parameter count: the most tokens that will be inserted.
  init(count: Int) { slots = [UInt32](repeating: 0, count: HashSlots.number(for: count)) }

  /// The token of these bytes.
  func token(_ content: [UInt8], in contents: TokenContents) -> Int32? {
    let slot = slot(content, contents)
    return slots[slot] == 0 ? nil : Int32(slots[slot] - 1)
  }

  /// Inserts a token that has been put into `contents`, unless its bytes are those of another; false then.
  mutating func insert(_ token: Int32, _ content: [UInt8], in contents: TokenContents) -> Bool {
    let slot = slot(content, contents)
    guard slots[slot] == 0 else { return false }
    slots[slot] = UInt32(token) + 1
    return true
  }

  /// Where the token of these bytes is, or has to be put.
  private func slot(_ content: [UInt8], _ contents: TokenContents) -> Int {
    // Hasher's seed is another in every process, so that no file is slow on purpose.
    var hasher = Hasher()
    content.withUnsafeBytes { hasher.combine(bytes: $0) }
    var slot = hasher.finalize() & (slots.count - 1)
    while slots[slot] != 0, !contents[Int(slots[slot] - 1)].elementsEqual(content) {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}

enum HashSlots {
  /// A power of two with room to spare for so many entries.
  static func number(for count: Int) -> Int {
    var slots = 16
    while slots < count + count / 2 { slots *= 2 }
    return slots
  }
}
