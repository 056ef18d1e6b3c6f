/// Numbers words, which are short sequences of bytes, in the order in which they first come.
///
/// A hash table with open addressing whose words lie one behind the other in one array: looking a word up
/// allocates nothing.
struct WordTable {
  /// Number + 1 of the word in each slot; 0 is free.
  private var slots = [UInt32](repeating: 0, count: 1 << 10)
  /// Word i is bytes[ends[i - 1]..<ends[i]].
  private var ends: [Int] = []
  private(set) var bytes: [UInt8] = []

  var count: Int { ends.count }

  /// The bytes of a word.
  func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

  /// The number of a word, a new one where it has none yet.
  mutating func number(_ word: UnsafeBufferPointer<UInt8>) -> (index: Int, isNew: Bool) {
    if 2 * ends.count >= slots.count { grow() }
    var slot = Self.hash(word) & (slots.count - 1)
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if isEqual(range(index), word) { return (index, false) }
      slot = (slot + 1) & (slots.count - 1)
    }
    bytes.append(contentsOf: word)
    ends.append(bytes.count)
    slots[slot] = UInt32(ends.count)
    return (ends.count - 1, true)
  }

  private func isEqual(_ range: Range<Int>, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    guard range.count == word.count else { return false }
    for index in word.indices where bytes[range.lowerBound + index] != word[index] { return false }
    return true
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: 2 * slots.count)
    bytes.withUnsafeBufferPointer { bytes in
      for index in ends.indices {
        let word = UnsafeBufferPointer(rebasing: bytes[range(index)])
        var slot = Self.hash(word) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(index + 1)
      }
    }
  }

  /// FNV-1a, mixed once more because only the low bits are used.
  private static func hash(_ word: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32)
  }
}
