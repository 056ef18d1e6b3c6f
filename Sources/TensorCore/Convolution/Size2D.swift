/// A height and a width, in pixels: of an image, a kernel, a step. Written as one number where both are equal.
public struct Size2D: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// A square.
  public init(_ side: Int) { self.init(height: side, width: side) }

  public init(integerLiteral value: Int) { self.init(value) }

  public var area: Int { height * width }

  /// As `3×5`.
  public var description: String { "\(height)×\(width)" }
}
