import TensorCore

/// In which order samples are visited, and how they make batches.
///
/// A plain value: everything follows from (seed, count, batch, lastBatch), never from the number of ranks
/// or from what was asked before. Every sample is visited exactly once an epoch, but for those that a
/// dropped last batch leaves out, which are others each epoch.
public struct Sampler: Sendable, Equatable {
  /// What to do where the samples do not divide into batches.
  public enum LastBatch: String, Sendable, Codable, CaseIterable {
    /// The last batch of an epoch is smaller.
    case keep
    /// The samples left over are left out of this epoch.
    case drop
  }

  /// The place of a step.
  public struct Batch: Sendable, Equatable {
    public let epoch: Int
    /// The number of the batch in its epoch.
    public let index: Int
    /// Its part of the epoch's order.
    public let positions: Range<Int>
    public var count: Int { positions.count }
  }

  public let seed: UInt64
  /// Samples in the data set.
  public let count: Int
  /// Samples of a full batch, over all ranks.
  public let batch: Int
  public let lastBatch: LastBatch
  public let isShuffled: Bool

  /// Throws where there is no sample, or no batch in an epoch.
  public init(
    seed: UInt64, count: Int, batch: Int, lastBatch: LastBatch = .keep, isShuffled: Bool = true
  ) throws(DatasetError) {
    guard count > 0, count <= UInt32.max, batch > 0, lastBatch == .keep || batch <= count else {
      throw DatasetError(
        at: "the batches of an epoch",
        expected: "samples, 4,294,967,295 at most, for at least one batch of at least one",
        found: "\(count) samples for batches of \(batch) with lastBatch: \(lastBatch.rawValue)",
        remedy: "Choose a smaller batch, keep the last batch, or name data with more samples.")
    }
    self.seed = seed
    self.count = count
    self.batch = batch
    self.lastBatch = lastBatch
    self.isShuffled = isShuffled
  }

  public var batchesPerEpoch: Int {
    lastBatch == .drop ? count / batch : count / batch + (count.isMultiple(of: batch) ? 0 : 1)
  }

  /// The sizes that batches can have, one or two, the greater first.
  public var batchSizes: [Int] {
    let first = min(batch, count)
    let last = batch(step: batchesPerEpoch - 1).count
    return last == first ? [first] : [first, last]
  }

  /// The batch of a step, counted from 0 over all epochs.
  public func batch(step: Int) -> Batch {
    precondition(step >= 0, "steps count from 0, this is \(step)")
    let (epoch, index) = step.quotientAndRemainder(dividingBy: batchesPerEpoch)
    return Batch(
      epoch: epoch, index: index, positions: index * batch..<min((index + 1) * batch, count))
  }

  /// The samples in the order in which an epoch visits them.
  public func order(epoch: Int) -> [Int] {
    [Int](unsafeUninitializedCapacity: count) { memory, filled in
      fillOrder(epoch: epoch, UnsafeMutableBufferPointer(rebasing: memory[..<count]))
      filled = count
    }
  }

  /// Writes the order of an epoch to memory of `count` numbers.
  func fillOrder(epoch: Int, _ order: UnsafeMutableBufferPointer<Int>) {
    precondition(order.count == count && epoch >= 0, "memory for \(count) samples")
    for index in order.indices { order[index] = index }
    guard isShuffled else { return }
    var stream = RandomStream(seed: seed, purpose: .epochOrder, step: UInt64(epoch))
    Self.shuffle(order, by: &stream)
  }

  /// Fisher and Yates's shuffle (Durstenfeld, CACM 1964). The standard library has one too, but does not
  /// promise that it stays the same.
  static func shuffle(_ order: UnsafeMutableBufferPointer<Int>, by stream: inout RandomStream) {
    for last in stride(from: order.count - 1, to: 0, by: -1) {
      order.swapAt(last, stream.integer(below: last + 1))
    }
  }
}
