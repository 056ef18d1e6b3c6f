import TensorCore

/// Who owns which part of the parameter vector: contiguous slices of about equal length, cut only between
/// blocks, so that norms can be summed block by block whoever owns what.
package struct Slices: Sendable {
  /// The elements of each rank's slice; some are empty where there are more ranks than blocks.
  package let elements: [Range<Int>]
  /// The blocks of each rank's slice.
  package let blocks: [Range<Int>]

  package init(_ layout: VectorLayout, ranks: Int) {
    let all = layout.blocks
    var ends: [Int] = []
    var block = 0
    for rank in 1...ranks {
      let target = layout.count * rank / ranks
      // Up to the block end nearest to an equal share.
      while block < all.count, (all[block].lowerBound + all[block].upperBound) / 2 < target { block += 1 }
      ends.append(rank == ranks ? all.count : block)
    }
    blocks = zip([0] + ends, ends).map { $0..<$1 }
    elements = blocks.map { range in
      let start = range.lowerBound < all.count ? all[range.lowerBound].lowerBound : layout.count
      return start..<(range.isEmpty ? start : all[range.upperBound - 1].upperBound)
    }
  }

  /// All of it, for one owner.
  package init(whole layout: VectorLayout) { self.init(layout, ranks: 1) }
}
