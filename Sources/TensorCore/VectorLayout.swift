/// Where each parameter lies in the flat vectors.
///
/// Parameters, gradients and optimizer state share this order: that in which the gradients become complete
/// in the backward pass, so that what is complete is always a range. Each parameter begins on a vector's
/// boundary; the gaps are zero and stay zero. Behind the parameters, in the same vector, lie the buffers,
/// which are not trained; behind the gradients lie the riders, and then the buffers' statistics.
public struct VectorLayout: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// PyTorch's name, as `hidden.weight`.
    public let name: String
    public let shape: Shape
    /// The position of its first element in the flat vector.
    public let offset: Int

    public var range: Range<Int> { offset..<offset + shape.count }
  }

  /// A tensor that follows statistics of the batches instead of being trained, as a running mean.
  public struct Buffer: Sendable, Equatable {
    public let entry: Entry
    /// m in new = old + m·(the shards' mean − old), after every step.
    public let momentum: Double
  }

  /// The trained parameters, in the order of their offsets.
  public let entries: [Entry]
  /// In the order of their offsets, behind the parameters.
  public let buffers: [Buffer]
  /// The length of the trained part of the parameter vector, gaps included.
  public let count: Int
  /// The length of the whole parameter vector: the parameters, then the buffers.
  public let vectorCount: Int

  package init(
    _ parameters: [(name: String, shape: Shape)],
    buffers: [(name: String, shape: Shape, momentum: Double)] = []
  ) {
    var offset = 0
    func entry(_ name: String, _ shape: Shape) -> Entry {
      defer { offset += shape.count.alignedToVector }
      return Entry(name: name, shape: shape, offset: offset)
    }
    entries = parameters.map { entry($0.name, $0.shape) }
    count = offset
    self.buffers = buffers.map { Buffer(entry: entry($0.name, $0.shape), momentum: $0.momentum) }
    vectorCount = offset
  }

  /// Everything that is saved: parameters and buffers, in the order of their offsets.
  public var allEntries: [Entry] { entries + buffers.map(\.entry) }

  /// The number of trained values, gaps not counted.
  public var parameterCount: Int { entries.reduce(0) { $0 + $1.shape.count } }

  /// The length of a gradient vector: the gradients, then the riders with the buffers' statistics.
  package var gradientCount: Int { Rider.room + vectorCount }

  /// The place in a gradient vector of the riders and, behind them, of the statistics.
  package var riders: Range<Int> { count..<gradientCount }

  /// Where the statistic for a buffer lies, counted from the first rider.
  package func statistic(of buffer: Buffer) -> Range<Int> {
    let start = Rider.room + buffer.entry.offset - count
    return start..<start + buffer.entry.shape.count
  }

  /// The elements of a block, at most. Norms add squares within blocks and then the blocks in order, and
  /// owners' slices are cut only between blocks; so a norm does not depend on who owns what.
  package static let blockLength = 2048

  /// The blocks, in order: they begin anew at each parameter and cover the vector without gaps.
  package var blocks: [Range<Int>] {
    entries.flatMap { entry in
      let end = entry.offset + entry.shape.count.alignedToVector
      return stride(from: entry.offset, to: end, by: Self.blockLength).map {
        $0..<Swift.min($0 + Self.blockLength, end)
      }
    }
  }
}
