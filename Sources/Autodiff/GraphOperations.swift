import TensorCore

/// What a layer may write into a graph. Shapes are checked here, and a mistake names the layer and both
/// shapes.
extension Graph {
  /// op(a) · op(b), where op transposes what is stored transposed: [rows, depth] · [depth, columns].
  public mutating func matrixProduct(
    _ a: Node, _ b: Node, transposeA: Bool = false, transposeB: Bool = false
  ) throws(GraphError) -> Node {
    let (left, right) = (shape(of: a), shape(of: b))
    guard left.rank == 2, right.rank == 2,
      left[transposeA ? 0 : 1] == right[transposeB ? 1 : 0]
    else {
      throw GraphError(
        at: layer, expected: "two matrices whose inner extents are equal",
        found: "\(left)\(transposeA ? " transposed" : "") times \(right)\(transposeB ? " transposed" : "")",
        remedy: "Make the layer's input size equal to what the layer before it gives.")
    }
    return append(
      .matrixProduct(transposeA: transposeA, transposeB: transposeB, epilogue: .none), [a, b],
      [left[transposeA ? 1 : 0], right[transposeB ? 0 : 1]])
  }

  /// a + b, element by element. A `b` with fewer axes is repeated along the leading ones of `a`.
  public mutating func add(_ a: Node, _ b: Node) throws(GraphError) -> Node {
    try elementwise(.add, "a sum", a, b)
  }

  /// a · b, element by element. A `b` with fewer axes is repeated along the leading ones of `a`.
  public mutating func multiply(_ a: Node, _ b: Node) throws(GraphError) -> Node {
    try elementwise(.multiply, "an element-wise product", a, b)
  }

  /// x · factor
  public mutating func scale(_ x: Node, by factor: Double) -> Node {
    append(.scale(factor), [x], shape(of: x))
  }

  public mutating func activation(_ activation: Activation, _ x: Node) -> Node {
    append(.activation(activation), [x], shape(of: x))
  }

  /// eˣ / Σ eˣ over the last axis.
  public mutating func softmax(_ x: Node) throws(GraphError) -> Node {
    try require(shape(of: x).rank > 0, "a tensor with at least one axis for softmax", "a scalar")
    return append(.softmax, [x], shape(of: x))
  }

  /// The same elements in the same order, seen as another shape.
  public mutating func reshape(_ x: Node, _ shape: Shape) throws(GraphError) -> Node {
    let old = self.shape(of: x)
    try require(
      old.count == shape.count, "a shape of \(old.count) elements, as \(old) has",
      "\(shape) with \(shape.count)")
    return append(.view(offset: 0), [x], shape)
  }

  /// [batch, …] as [batch, elements of a sample].
  public mutating func flatten(_ x: Node) throws(GraphError) -> Node {
    let old = shape(of: x)
    try require(old.rank > 0, "a tensor with a batch axis to flatten", "a scalar")
    return old.rank == 2 ? x : try reshape(x, [old[0], old.count / old[0]])
  }

  /// Σ along one axis, which goes.
  public mutating func sum(_ x: Node, axis: Int) throws(GraphError) -> Node {
    let old = shape(of: x)
    try require(old.dimensions.indices.contains(axis), "an axis in 0..<\(old.rank) of \(old)", "axis \(axis)")
    return append(.reduceSum(axis: axis), [x], old.removing(axis: axis))
  }

  /// Σ over all elements: a scalar.
  public mutating func sum(_ x: Node) throws(GraphError) -> Node {
    try sum(reshape(x, [shape(of: x).count]), axis: 0)
  }

  /// The mean along one axis, which goes.
  public mutating func mean(_ x: Node, axis: Int) throws(GraphError) -> Node {
    scale(try sum(x, axis: axis), by: 1 / Double(shape(of: x)[axis]))
  }

  /// The mean of all elements: a scalar.
  public mutating func mean(_ x: Node) throws(GraphError) -> Node {
    scale(try sum(x), by: 1 / Double(shape(of: x).count))
  }

  /// x, repeated `count` times along a new axis.
  public mutating func broadcast(_ x: Node, axis: Int, count: Int) throws(GraphError) -> Node {
    let old = shape(of: x)
    try require((0...old.rank).contains(axis), "a new axis in 0...\(old.rank) of \(old)", "axis \(axis)")
    return append(.broadcast(axis: axis, count: count), [x], old.inserting(count, at: axis))
  }

  /// [batch] class indices as [batch, classes] of ones and zeros.
  public mutating func oneHot(_ labels: Node, classes: Int) -> Node {
    append(.oneHot(classes: classes), [labels], shape(of: labels).inserting(classes, at: 1))
  }

  package mutating func constant(_ value: Double) -> Node { append(.constant(value), [], .scalar) }

  private mutating func elementwise(
    _ operation: Operation, _ name: String, _ a: Node, _ b: Node
  ) throws(GraphError) -> Node {
    let (left, right) = (shape(of: a), shape(of: b))
    try require(
      left.dimensions.suffix(right.rank) == right.dimensions[...],
      "two shapes for \(name) of which the second equals the first or its trailing axes",
      "\(left) and \(right)")
    var repeated = b
    if left.rank > right.rank {
      let leading = left.dimensions.prefix(left.rank - right.rank).reduce(1, *)
      repeated = try broadcast(b, axis: 0, count: leading)
      if left.rank > right.rank + 1 { repeated = try reshape(repeated, left) }
    }
    return append(operation, [a, repeated], left)
  }

  func require(_ condition: Bool, _ expected: String, _ found: String) throws(GraphError) {
    guard condition else {
      throw GraphError(
        at: layer, expected: expected, found: found,
        remedy: "Change the shapes of this layer or of the one before it.")
    }
  }
}
