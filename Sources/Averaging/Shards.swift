/// How a batch is cut into shards, and which rank computes which.
///
/// The cut depends on the number of samples and of shards only, never on the ranks: a sample's gradient
/// depends on how many samples pass with it.
public struct Shards: Sendable, Equatable {
  /// Shards in a step; the same for the whole run.
  public let count: Int

  public init(_ count: Int) {
    precondition(count > 0, "a step has at least one shard")
    self.count = count
  }

  /// The default for a batch: the largest power of two up to 16 that leaves 64 samples a shard.
  public static func suitable(forBatch batch: Int) -> Shards {
    var count = 1
    while count < 16, batch / (2 * count) >= 64 { count *= 2 }
    return Shards(count)
  }

  /// The samples of each shard, as positions in the batch: the first `samples mod count` shards have one
  /// more than the rest. Those of a small last batch may be empty.
  public func ranges(ofBatch samples: Int) -> [Range<Int>] { Self.cut(samples, into: count) }

  /// The shards of each rank: contiguous, the first ranks have one more where it does not divide.
  public func ranges(ofRanks ranks: Int) -> [Range<Int>] { Self.cut(count, into: ranks) }

  private static func cut(_ total: Int, into parts: Int) -> [Range<Int>] {
    let (size, larger) = total.quotientAndRemainder(dividingBy: parts)
    return (0..<parts).map { part in
      let start = part * size + min(part, larger)
      return start..<start + size + (part < larger ? 1 : 0)
    }
  }
}
