import TensorCore

/// Draws one shape of `BuiltInShapes` into 3 × 32 × 32 bytes.
///
/// A shape is the set of points where a function of the distance from its edge is below zero. Only additions,
/// multiplications, divisions, square roots and roundings are used: the same bytes on every machine.
struct ShapePen {
  static let side = 32
  static let size = 3 * side * side

  /// How much shapes vary, in pixels where nothing else is said.
  private enum Variety {
    static let radius: ClosedRange<Float> = 7...12
    static let position: Float = 5
    /// The height as a share of the width.
    static let proportion: ClosedRange<Float> = 0.85...1.15
    /// Half a pattern's period, as a share of the radius.
    static let pattern: ClosedRange<Float> = 0.3...0.42
    /// The least distance of two colours, in levels of all channels together.
    static let contrast: Float = 180
    /// The greatest change of the background over the whole image, in levels.
    static let gradient: Float = 60
    /// The greatest change of a pixel by noise, in levels.
    static let noise: Float = 28
  }

  private let radius: Float
  private let middle: SIMD2<Float>
  private let proportion: Float
  private let cosine: Float
  private let sine: Float
  private let pattern: Float
  private let background: SIMD4<Float>
  private let gradient: SIMD4<Float>
  private let color: SIMD4<Float>
  private let otherColor: SIMD4<Float>

  /// Chooses everything but the kind of shape.
  init(_ stream: inout RandomStream) {
    radius = stream.uniform(Variety.radius)
    let center = Float(Self.side) / 2
    middle = SIMD2(
      center + stream.uniform(-Variety.position, Variety.position),
      center + stream.uniform(-Variety.position, Variety.position))
    proportion = stream.uniform(Variety.proportion)
    // The tangent of half the angle gives a half circle, a sign the other half.
    let half = stream.uniform(-1, 1)
    let sign: Float = stream.next() & 1 == 0 ? 1 : -1
    cosine = sign * (1 - half * half) / (1 + half * half)
    sine = sign * 2 * half / (1 + half * half)
    pattern = stream.uniform(Variety.pattern) * radius
    background = Self.anyColor(&stream)
    gradient =
      SIMD4(stream.uniform(-0.5, 0.5), stream.uniform(-0.5, 0.5), 0, 0) * Variety.gradient
    color = Self.color(unlike: background, &stream)
    otherColor = Self.color(unlike: color, &stream)
  }

  /// Writes the three planes of a shape, with noise from `stream`.
  func draw(_ kind: Int, by stream: inout RandomStream, into pixels: UnsafeMutablePointer<UInt8>) {
    let area = Self.side * Self.side
    for row in 0..<Self.side {
      for column in 0..<Self.side {
        let place = SIMD2(Float(column), Float(row)) + 0.5
        let offset = place - middle
        let point = SIMD2(
          cosine * offset.x + sine * offset.y, (cosine * offset.y - sine * offset.x) / proportion)
        let cover = Self.clamped(0.5 - edge(kind, point))
        let slope = (place - Float(Self.side) / 2) / Float(Self.side)
        let behind = background + (gradient.x * slope.x + gradient.y * slope.y)
        let mixed = behind + (ink(kind, point) - behind) * cover
        var bits = stream.next()
        for channel in 0..<3 {
          let noise = (Float(bits & 0xFF) / 255 * 2 - 1) * Variety.noise
          bits >>= 8
          pixels[channel * area + row * Self.side + column] =
            UInt8(min(max(mixed[channel] + noise, 0), 255))
        }
      }
    }
  }

  /// About the distance of a point from the shape's edge, in pixels; below zero inside.
  private func edge(_ kind: Int, _ p: SIMD2<Float>) -> Float {
    let (x, y, r) = (abs(p.x), abs(p.y), radius)
    return switch kind {
    case 0, 6: Self.length(p) - r * 0.9
    case 1: abs(Self.length(p) - r * 0.75) - r * 0.2
    case 2, 7: max(x, y) - r * 0.8
    // Three half planes; 0.8660254 is half the root of 3.
    case 3: max(p.y, x * 0.866_025_4 - p.y / 2) - r * 0.58
    case 4: min(max(x - r * 0.95, y - r * 0.27), max(y - r * 0.95, x - r * 0.27))
    case 5: max(x - r, y - r * 0.3)
    case 8: Self.length(SIMD2(x - r * 0.55, y)) - r * 0.4
    default: max(Self.length(p) - r * 0.95, r * 0.8 - Self.length(SIMD2(p.x - r * 0.5, p.y)))
    }
  }

  /// The shape's colour at a point: plain, or of two colours in a pattern.
  private func ink(_ kind: Int, _ point: SIMD2<Float>) -> SIMD4<Float> {
    switch kind {
    case 6: color + (otherColor - color) * (0.5 + 0.5 * wave(point.x))
    case 7: color + (otherColor - color) * (0.5 + 0.5 * wave(point.x) * wave(point.y))
    default: color
    }
  }

  /// −1 and 1 in turns, each for `pattern` pixels, with a ramp of a pixel between them.
  private func wave(_ x: Float) -> Float {
    let period = 2 * pattern
    let share = x / period - (x / period).rounded(.down)
    let distance = (abs(share - 0.5) - 0.25) * period
    return min(max(distance * 2, -1), 1)
  }

  private static func anyColor(_ stream: inout RandomStream) -> SIMD4<Float> {
    SIMD4(stream.uniform(20, 236), stream.uniform(20, 236), stream.uniform(20, 236), 0)
  }

  private static func color(
    unlike other: SIMD4<Float>, _ stream: inout RandomStream
  ) -> SIMD4<Float> {
    while true {
      let color = anyColor(&stream)
      let difference = color - other
      if abs(difference.x) + abs(difference.y) + abs(difference.z) >= Variety.contrast { return color }
    }
  }

  private static func length(_ p: SIMD2<Float>) -> Float { (p.x * p.x + p.y * p.y).squareRoot() }
  private static func clamped(_ share: Float) -> Float { min(max(share, 0), 1) }
}
