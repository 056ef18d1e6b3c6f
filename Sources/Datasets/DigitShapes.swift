/// How the digits 0 to 9 are written: the pen strokes of `BuiltInDigits`.
///
/// Every digit has a few shapes, each a list of strokes through points of the unit square, x to the right
/// and y down. A stroke is either curved (a spline through its points) or straight from point to point.
struct DigitShape: Sendable {
  struct Stroke: Sendable {
    let isCurved: Bool
    let points: [SIMD2<Float>]
  }

  let strokes: [Stroke]

  init(_ strokes: Stroke...) { self.strokes = strokes }

  private static func curve(_ points: SIMD2<Float>...) -> Stroke {
    Stroke(isCurved: true, points: points)
  }

  private static func line(_ points: SIMD2<Float>...) -> Stroke {
    Stroke(isCurved: false, points: points)
  }

  /// The points of the longest stroke, over all shapes.
  static let mostPoints = shapes.joined().flatMap(\.strokes).map(\.points.count).max() ?? 0

  /// The shapes of each digit.
  static let shapes: [[DigitShape]] = [zero, one, two, three, four, five, six, seven, eight, nine]

  private static let zero = [
    DigitShape(
      curve(
        [0.5, 0], [0.12, 0.2], [0, 0.5], [0.12, 0.8], [0.5, 1], [0.88, 0.8], [1, 0.5], [0.88, 0.2],
        [0.5, 0])),
    DigitShape(
      curve(
        [0.66, 0.04], [0.24, 0.14], [0.06, 0.52], [0.2, 0.9], [0.52, 1], [0.86, 0.82], [0.94, 0.42],
        [0.74, 0.1], [0.42, 0])),
  ]

  private static let one = [
    DigitShape(line([0.5, 0], [0.5, 1])),
    DigitShape(line([0.22, 0.24], [0.54, 0], [0.54, 1])),
    DigitShape(line([0.22, 0.22], [0.52, 0], [0.52, 1]), line([0.2, 1], [0.84, 1])),
  ]

  private static let two = [
    DigitShape(
      curve(
        [0.08, 0.22], [0.32, 0.02], [0.7, 0.03], [0.9, 0.26], [0.74, 0.52], [0.38, 0.78], [0.04, 1]),
      line([0.04, 1], [0.96, 1])),
    DigitShape(
      curve(
        [0.08, 0.2], [0.42, 0], [0.86, 0.18], [0.7, 0.56], [0.24, 0.94], [0.06, 0.88], [0.22, 0.76],
        [0.6, 0.94], [0.98, 0.9])),
  ]

  private static let three = [
    DigitShape(
      curve([0.08, 0.12], [0.46, 0], [0.84, 0.17], [0.74, 0.4], [0.36, 0.48]),
      curve([0.36, 0.48], [0.8, 0.54], [0.95, 0.76], [0.58, 1], [0.05, 0.88])),
    DigitShape(
      line([0.1, 0.02], [0.88, 0.02], [0.42, 0.42]),
      curve([0.42, 0.42], [0.88, 0.54], [0.9, 0.84], [0.5, 1], [0.06, 0.9])),
  ]

  private static let four = [
    DigitShape(line([0.72, 1], [0.72, 0], [0.02, 0.68], [1, 0.68])),
    DigitShape(line([0.16, 0], [0.06, 0.52], [0.92, 0.5]), line([0.82, 0.08], [0.74, 1])),
  ]

  private static let five = [
    DigitShape(
      line([0.9, 0], [0.2, 0], [0.14, 0.44]),
      curve([0.14, 0.44], [0.55, 0.36], [0.93, 0.6], [0.78, 0.92], [0.38, 1], [0.05, 0.88])),
    DigitShape(
      line([0.24, 0.04], [0.16, 0.42]),
      curve([0.16, 0.42], [0.6, 0.42], [0.88, 0.66], [0.66, 0.94], [0.06, 0.96]),
      line([0.24, 0.04], [0.96, 0])),
  ]

  private static let six = [
    DigitShape(
      curve(
        [0.8, 0.04], [0.36, 0.18], [0.06, 0.56], [0.12, 0.86], [0.5, 1], [0.9, 0.82], [0.8, 0.54],
        [0.45, 0.48], [0.1, 0.7])),
    DigitShape(
      curve(
        [0.56, 0], [0.22, 0.38], [0.06, 0.76], [0.38, 1], [0.82, 0.9], [0.8, 0.64], [0.46, 0.58],
        [0.1, 0.78])),
  ]

  private static let seven = [
    DigitShape(line([0.05, 0.03], [0.95, 0.03], [0.4, 1])),
    DigitShape(line([0.05, 0.03], [0.95, 0.03], [0.4, 1]), line([0.28, 0.5], [0.9, 0.5])),
    DigitShape(line([0.06, 0.18], [0.1, 0.03]), curve([0.1, 0.03], [0.9, 0.05], [0.6, 0.5], [0.46, 1])),
  ]

  private static let eight = [
    DigitShape(
      curve(
        [0.5, 0.47], [0.14, 0.26], [0.5, 0], [0.86, 0.26], [0.5, 0.47], [0.08, 0.74], [0.5, 1],
        [0.92, 0.74], [0.5, 0.47])),
    DigitShape(
      curve(
        [0.84, 0.14], [0.46, 0], [0.14, 0.2], [0.5, 0.47], [0.9, 0.76], [0.5, 1], [0.1, 0.78],
        [0.5, 0.47], [0.84, 0.14])),
  ]

  private static let nine = [
    DigitShape(
      curve(
        [0.9, 0.26], [0.6, 0.5], [0.18, 0.44], [0.1, 0.18], [0.46, 0], [0.82, 0.08], [0.9, 0.26]),
      line([0.9, 0.24], [0.8, 1])),
    DigitShape(
      curve(
        [0.86, 0.16], [0.5, 0], [0.12, 0.2], [0.26, 0.48], [0.64, 0.46], [0.88, 0.2], [0.86, 0.6],
        [0.6, 0.94], [0.16, 0.98])),
  ]
}
