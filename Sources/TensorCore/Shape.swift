/// The extents of a tensor, outermost first; the last one varies fastest in memory. No extents: a scalar.
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
  public let dimensions: [Int]

  public init(_ dimensions: [Int]) {
    precondition(dimensions.allSatisfy { $0 > 0 }, "extents must be positive, are \(dimensions)")
    self.dimensions = dimensions
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  public static let scalar = Shape([])

  public var rank: Int { dimensions.count }

  /// The number of elements.
  public var count: Int { dimensions.reduce(1, *) }

  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The number of elements before, at and behind an axis: what a kernel needs to walk along it.
  package func extents(around axis: Int) -> (outer: Int, axis: Int, inner: Int) {
    (
      dimensions[..<axis].reduce(1, *), dimensions[axis], dimensions[(axis + 1)...].reduce(1, *)
    )
  }

  package func removing(axis: Int) -> Shape {
    var remaining = dimensions
    remaining.remove(at: axis)
    return Shape(remaining)
  }

  package func replacing(axis: Int, by extent: Int) -> Shape {
    var changed = dimensions
    changed[axis] = extent
    return Shape(changed)
  }

  package func inserting(_ extent: Int, at axis: Int) -> Shape {
    var extended = dimensions
    extended.insert(extent, at: axis)
    return Shape(extended)
  }

  /// As `[64, 784]`.
  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
