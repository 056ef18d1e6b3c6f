/// Where each parameter lies in the flat vectors.
///
/// Parameters, gradients and optimizer state share this order: that in which the gradients become complete
/// in the backward pass, so that what is complete is always a range. Each parameter begins on a vector's
/// boundary; the gaps are zero and stay zero. Behind the gradients, in the same vector, lie the riders.
public struct VectorLayout: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// PyTorch's name, as `hidden.weight`.
    public let name: String
    public let shape: Shape
    /// The position of its first element in the flat vector.
    public let offset: Int

    public var range: Range<Int> { offset..<offset + shape.count }
  }

  /// In the order of their offsets.
  public let entries: [Entry]
  /// The length of the parameter vector, gaps included.
  public let count: Int

  package init(_ parameters: [(name: String, shape: Shape)]) {
    var entries: [Entry] = []
    var offset = 0
    for parameter in parameters {
      entries.append(Entry(name: parameter.name, shape: parameter.shape, offset: offset))
      offset += parameter.shape.count.alignedToVector
    }
    self.entries = entries
    self.count = offset
  }

  /// The number of trained values, gaps not counted.
  public var parameterCount: Int { entries.reduce(0) { $0 + $1.shape.count } }

  /// The length of a gradient vector: the gradients, then the riders.
  package var gradientCount: Int { count + Rider.room }

  /// The riders' place in a gradient vector.
  package var riders: Range<Int> { count..<gradientCount }

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

/// What travels behind the gradients: sums over the samples of a shard, which the averaging adds up with
/// everything else, at no collective of their own.
package enum Rider: Int, CaseIterable, Sendable {
  /// The sum of the samples' losses.
  case loss
  /// The number of samples.
  case samples
  /// The number of samples that are classified correctly.
  case correct
  /// The number of gradients that are not finite, or too large to be summed.
  case faults
  /// The number of ranks that were asked to stop.
  case stop

  /// The room they take, whole vectors.
  package static let room = 16
}
