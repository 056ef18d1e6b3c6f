import TensorCore

/// What moves elements without computing with them, and dropout.
extension Graph {
  /// The elements from `offset` on, seen as `shape`. No data moves: for the parts of packed results.
  package mutating func view(_ x: Node, offset: Int, _ shape: Shape) -> Node {
    precondition(offset >= 0 && offset + shape.count <= self.shape(of: x).count, "a view within its tensor")
    return append(.view(offset: offset), [x], shape)
  }

  /// A part of one axis: [.., axis, ..] → [.., range.count, ..].
  public mutating func slice(_ x: Node, axis: Int, _ range: Range<Int>) throws(GraphError) -> Node {
    let old = shape(of: x)
    try require(
      old.dimensions.indices.contains(axis) && !range.isEmpty && range.lowerBound >= 0
        && range.upperBound <= old[axis],
      "a part of one of the axes of \(old)", "\(range) of axis \(axis)")
    let (outer, _, inner) = old.extents(around: axis)
    let result = old.replacing(axis: axis, by: range.count)
    if outer == 1 { return view(x, offset: range.lowerBound * inner, result) }
    let form = RunForm(
      rows: outer, whole: old[axis] * inner, part: range.count * inner, start: range.lowerBound * inner)
    return append(.slice(form), [x], result)
  }

  /// One behind the other along an axis; all other axes are equal.
  public mutating func concatenate(_ parts: [Node], axis: Int) throws(GraphError) -> Node {
    guard var result = parts.first else { preconditionFailure("nothing to concatenate") }
    for part in parts.dropFirst() {
      let (left, right) = (shape(of: result), shape(of: part))
      try require(
        left.dimensions.indices.contains(axis) && left.rank == right.rank
          && left.replacing(axis: axis, by: right[axis]) == right,
        "tensors that differ in axis \(axis) alone, to be concatenated along it", "\(left) and \(right)")
      let (outer, _, inner) = left.extents(around: axis)
      result = append(
        .concatenate(rows: outer, first: left[axis] * inner, second: right[axis] * inner), [result, part],
        left.replacing(axis: axis, by: left[axis] + right[axis]))
    }
    return result
  }

  /// Two axes change places.
  public mutating func transpose(_ x: Node, _ first: Int, _ second: Int) throws(GraphError) -> Node {
    let old = shape(of: x)
    let (a, b) = (min(first, second), max(first, second))
    try require(a >= 0 && b < old.rank && a != b, "two axes of \(old)", "axes \(first) and \(second)")
    let form = TransposeForm(
      outer: old.dimensions[..<a].reduce(1, *), first: old[a],
      middle: old.dimensions[(a + 1)..<b].reduce(1, *), second: old[b],
      inner: old.dimensions[(b + 1)...].reduce(1, *))
    var dimensions = old.dimensions
    dimensions.swapAt(a, b)
    return append(.transpose(form), [x], Shape(dimensions))
  }

  /// x with each element dropped with probability `rate`, and what is kept multiplied by 1/(1 − rate); x
  /// itself outside training. The mask follows from seed, step, sample, layer and the element's place.
  ///
  /// - Parameter sampleAxis: the axis along which the samples lie.
  public mutating func dropout(_ x: Node, rate: Double, sampleAxis: Int = 0) throws(GraphError) -> Node {
    try require((0..<1).contains(rate), "a dropout rate from 0 to below 1", "\(rate)")
    let layer = nextDropout()
    guard isTraining, rate > 0 else { return x }
    let (outer, batch, inner) = shape(of: x).extents(around: sampleAxis)
    return append(
      .dropout(DropoutForm(rate: rate, layer: layer, outer: outer, batch: batch, inner: inner)), [x],
      shape(of: x))
  }
}
