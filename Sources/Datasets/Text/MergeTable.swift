/// The merges of a tokenizer, by their ranks and by their pairs: two arrays of numbers, in which looking a pair up
/// allocates nothing.
struct MergeTable: Sendable {
  private struct Entry {
    let pair: TokenPair
    let result: Int32
  }

  /// By rank.
  private var entries: [Entry] = []
  /// Rank + 1 in each slot; 0 is free. A hash table with open addressing.
  private var slots = [UInt32](repeating: 0, count: HashSlots.number(for: 0))
  /// Another one in each table, so that no file is slow on purpose.
  private let seed = UInt64.random(in: 0...UInt64.max)

  init() {}

  /// - Parameter count: the merges to have room for.
  init(count: Int) {
    entries.reserveCapacity(count)
    slots = [UInt32](repeating: 0, count: HashSlots.number(for: count))
  }

  var count: Int { entries.count }
  /// The pairs, the first to be applied first.
  var pairs: some Collection<TokenPair> { entries.lazy.map(\.pair) }

  /// What a pair becomes, and before which others.
  @inline(__always) subscript(pair: TokenPair) -> Merge? {
    let rank = slots[slot(pair)]
    return rank == 0 ? nil : Merge(rank: rank - 1, token: entries[Int(rank - 1)].result)
  }

  /// Adds a merge with the next rank, which is the pair's from now on.
  mutating func append(_ pair: TokenPair, result: Int32) {
    entries.append(Entry(pair: pair, result: result))
    if 2 * slots.count < 3 * entries.count { grow() }
    slots[slot(pair)] = UInt32(entries.count)
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: 2 * slots.count)
    for (rank, entry) in entries.enumerated() { slots[slot(entry.pair)] = UInt32(rank + 1) }
  }

  /// Where the rank of a pair is, or has to be put.
  @inline(__always) private func slot(_ pair: TokenPair) -> Int {
    var slot = hash(pair) & (slots.count - 1)
    while slots[slot] != 0, entries[Int(slots[slot] - 1)].pair != pair {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  /// The finalizer of Appleby's MurmurHash3.
  @inline(__always) private func hash(_ pair: TokenPair) -> Int {
    var mixed = pair.packed ^ seed
    mixed = (mixed ^ mixed >> 33) &* 0xFF51_AFD7_ED55_8CCD
    mixed = (mixed ^ mixed >> 33) &* 0xC4CE_B9FE_1A85_EC53
    return Int(truncatingIfNeeded: mixed ^ mixed >> 33)
  }
}
