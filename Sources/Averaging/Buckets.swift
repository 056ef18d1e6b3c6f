import TensorCore

/// The ranges of the gradient vector that are reduced as soon as they are complete: whole parameters, at
/// least so many bytes each; the riders ride in the last.
package struct Buckets: Sendable, Equatable {
  package let ranges: [Range<Int>]

  package init(_ layout: VectorLayout, bytes: Int) {
    let least = max(1, bytes / MemoryLayout<Float>.stride)
    var ranges: [Range<Int>] = []
    var start = 0
    for entry in layout.entries {
      let end = entry.offset + entry.shape.count.alignedToVector
      if end - start >= least {
        ranges.append(start..<end)
        start = end
      }
    }
    if let last = ranges.last, start == layout.count {
      ranges[ranges.count - 1] = last.lowerBound..<layout.gradientCount
    } else {
      ranges.append(start..<layout.gradientCount)
    }
    self.ranges = ranges
  }
}
