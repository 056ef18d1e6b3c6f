import TensorCore

/// Draws one digit of `BuiltInDigits` into 28 by 28 bytes.
///
/// Only additions, multiplications, divisions and square roots are used, which IEEE 754 rounds in one way:
/// the same stream gives the same bytes on every machine.
struct DigitPen: ~Copyable {
  static let side = 28

  /// How much digits vary, in pixels where nothing else is said.
  private enum Variety {
    static let height: ClosedRange<Float> = 15...20.5
    /// Width as a share of the height.
    static let width: ClosedRange<Float> = 0.48...0.82
    static let slant: ClosedRange<Float> = -0.15...0.42
    /// The tangent of half the angle: about 13 degrees either way.
    static let rotation: ClosedRange<Float> = -0.115...0.115
    static let position: Float = 2.4
    static let thickness: ClosedRange<Float> = 1.3...3.4
    /// Standard deviation of each point of a stroke, as a share of the digit's size.
    static let wobble: Float = 0.035
    static let peak: ClosedRange<Float> = 190...255
    /// The greatest change of a pixel by noise, in gray levels.
    static let noise: Float = 24
  }

  private static let segmentsPerSpan = 5
  private static let farAway: Float = 1e9

  /// The squared distance of each pixel's middle from the nearest stroke.
  private let distances: UnsafeMutablePointer<Float>
  private let points: UnsafeMutablePointer<SIMD2<Float>>

  init() {
    distances = .allocate(capacity: Self.side * Self.side)
    points = .allocate(capacity: DigitShape.mostPoints)
  }

  deinit {
    distances.deallocate()
    points.deallocate()
  }

  /// Writes the 784 bytes of one digit, drawn as `stream` says.
  func draw(_ digit: Int, by stream: inout RandomStream, into pixels: UnsafeMutablePointer<UInt8>) {
    let shapes = DigitShape.shapes[digit]
    let shape = shapes[stream.integer(below: shapes.count)]
    let placement = Placement(&stream)
    let radius = stream.uniform(Variety.thickness) / 2
    distances.update(repeating: Self.farAway, count: Self.side * Self.side)
    for stroke in shape.strokes {
      for (index, point) in stroke.points.enumerated() {
        let wobble = SIMD2(Self.bell(&stream), Self.bell(&stream)) * Variety.wobble
        points[index] = placement(point + wobble)
      }
      draw(count: stroke.points.count, isCurved: stroke.isCurved, reach: radius + 0.5)
    }
    ink(pixels, radius: radius, by: &stream)
  }

  /// From the unit square to pixels: scaled, slanted, turned, moved.
  private struct Placement {
    let column0: SIMD2<Float>
    let column1: SIMD2<Float>
    let origin: SIMD2<Float>

    init(_ stream: inout RandomStream) {
      let height = stream.uniform(Variety.height)
      let width = height * stream.uniform(Variety.width)
      let slant = stream.uniform(Variety.slant)
      let half = stream.uniform(Variety.rotation)
      let cosine = (1 - half * half) / (1 + half * half)
      let sine = 2 * half / (1 + half * half)
      column0 = SIMD2(cosine, sine) * width
      column1 = SIMD2(-slant * cosine - sine, cosine - slant * sine) * height
      let middle = Float(DigitPen.side) / 2
      origin = SIMD2(
        middle + stream.uniform(-Variety.position, Variety.position),
        middle + stream.uniform(-Variety.position, Variety.position))
    }

    func callAsFunction(_ point: SIMD2<Float>) -> SIMD2<Float> {
      origin + column0 * (point.x - 0.5) + column1 * (point.y - 0.5)
    }
  }

  /// Roughly normal, within ±3.5: the sum of four uniform numbers.
  private static func bell(_ stream: inout RandomStream) -> Float {
    let sum = (stream.uniform() + stream.uniform()) + (stream.uniform() + stream.uniform())
    return (sum - 2) * 1.7320508
  }

  /// One stroke through `points[0..<count]`.
  private func draw(count: Int, isCurved: Bool, reach: Float) {
    for index in 1..<count {
      let from = points[index - 1]
      let to = points[index]
      guard isCurved else {
        draw(from: from, to: to, reach: reach)
        continue
      }
      // A Catmull–Rom span; a closed stroke goes on smoothly through its first point.
      let isClosed = points[0].isNear(points[count - 1])
      let before = index > 1 ? points[index - 2] : isClosed ? points[count - 2] : from
      let after = index + 1 < count ? points[index + 1] : isClosed ? points[1] : to
      let linear = (to - before) * 0.5
      let quadratic = before - from * 2.5 + to * 2 - after * 0.5
      let cubic = (from - to) * 1.5 + (after - before) * 0.5
      var start = from
      for piece in 1...Self.segmentsPerSpan {
        let t = Float(piece) / Float(Self.segmentsPerSpan)
        let end = from + (linear + (quadratic + cubic * t) * t) * t
        draw(from: start, to: end, reach: reach)
        start = end
      }
    }
  }

  /// Lowers the distances around a straight piece.
  private func draw(from: SIMD2<Float>, to: SIMD2<Float>, reach: Float) {
    let along = to - from
    let lengthSquared = max(along.x * along.x + along.y * along.y, 1e-12)
    let columns = Self.pixels(min(from.x, to.x) - reach, max(from.x, to.x) + reach)
    let rows = Self.pixels(min(from.y, to.y) - reach, max(from.y, to.y) + reach)
    for row in rows {
      let y = Float(row) + 0.5 - from.y
      for column in columns {
        let x = Float(column) + 0.5 - from.x
        let share = min(max((x * along.x + y * along.y) / lengthSquared, 0), 1)
        let dx = x - share * along.x
        let dy = y - share * along.y
        let pixel = row * Self.side + column
        distances[pixel] = min(distances[pixel], dx * dx + dy * dy)
      }
    }
  }

  /// The pixels, of a row or a column, that lie between two coordinates.
  private static func pixels(_ lower: Float, _ upper: Float) -> Range<Int> {
    let first = min(max(Int(lower), 0), side)
    return first..<min(max(Int(upper) + 1, first), side)
  }

  /// Distances to gray levels: full inside the stroke, one pixel of ramp at its edge, noise over all.
  private func ink(
    _ pixels: UnsafeMutablePointer<UInt8>, radius: Float, by stream: inout RandomStream
  ) {
    let peak = stream.uniform(Variety.peak)
    for pixel in stride(from: 0, to: Self.side * Self.side, by: 4) {
      var bits = stream.next()
      for offset in 0..<4 {
        let cover = min(max(radius + 0.5 - distances[pixel + offset].squareRoot(), 0), 1)
        let noise = (Float(bits & 0xFF) / 255 * 2 - 1) * Variety.noise
        bits >>= 8
        pixels[pixel + offset] = UInt8(min(max(cover * peak + noise, 0), 255))
      }
    }
  }
}

extension RandomStream {
  mutating func uniform(_ range: ClosedRange<Float>) -> Float {
    uniform(range.lowerBound, range.upperBound)
  }
}

extension SIMD2<Float> {
  fileprivate func isNear(_ other: Self) -> Bool { abs(x - other.x) + abs(y - other.y) < 0.01 }
}
