import Datasets
import Foundation
import Testing

@Suite struct PixelGeometryTests {
  /// Different numbers everywhere, [channels, height, width].
  private func numbered(_ shape: ImageShape) -> [Float] { (0..<shape.size).map { Float(($0 * 37) % 101) } }

  private func black(_ shape: ImageShape) -> [Float] { (0..<shape.channels).map { -1 - Float($0) } }

  private func transformed(_ source: [Float], _ shape: ImageShape, _ map: PixelGeometry.Map) -> [Float] {
    var image = [Float](repeating: .nan, count: shape.size)
    PixelGeometry.transform(source, shape, by: map, black: black(shape), into: &image)
    return image
  }

  @Test(arguments: [1, 4, 5]) func flippingTwiceIsTheIdentity(_ width: Int) {
    let shape = ImageShape(channels: 2, height: 3, width: width)
    let source = numbered(shape)
    var image = source
    PixelGeometry.flip(&image, rows: 6, width: width)
    for row in 0..<6 {
      for column in 0..<width {
        #expect(image[row * width + column] == source[row * width + width - 1 - column])
      }
    }
    PixelGeometry.flip(&image, rows: 6, width: width)
    #expect(image == source)
  }

  @Test func shiftingMovesTheWindow() {
    let shape = ImageShape(channels: 2, height: 4, width: 5)
    let source = numbered(shape)
    for down in -5...5 {
      for right in -6...6 {
        var image = [Float](repeating: .nan, count: shape.size)
        PixelGeometry.shift(source, shape, down: down, right: right, black: black(shape), into: &image)
        var expected: [Float] = []
        for channel in 0..<2 {
          for y in 0..<4 {
            for x in 0..<5 {
              let isInside = 0..<4 ~= y + down && 0..<5 ~= x + right
              expected.append(
                isInside ? source[channel * 20 + (y + down) * 5 + x + right] : black(shape)[channel])
            }
          }
        }
        #expect(image == expected)
      }
    }
  }

  @Test func aQuarterTurnIsExact() {
    let shape = ImageShape(channels: 2, height: 6, width: 6)
    let source = numbered(shape)
    let image = transformed(source, shape, .init(degrees: 90, scale: 1, right: 0, down: 0))
    for channel in 0..<2 {
      for y in 0..<6 {
        for x in 0..<6 {
          // Clockwise as seen: what was at the top is now at the right.
          #expect(image[channel * 36 + x * 6 + 5 - y] == source[channel * 36 + y * 6 + x])
        }
      }
    }
    let back = transformed(image, shape, .init(degrees: -90, scale: 1, right: 0, down: 0))
    #expect(back == source)
    let half = transformed(source, shape, .init(degrees: 180, scale: 1, right: 0, down: 0))
    #expect(Array(half[..<36]) == source[..<36].reversed())
  }

  @Test func nothingAskedForIsTheIdentity() {
    let shape = ImageShape(channels: 3, height: 5, width: 7)
    let source = numbered(shape)
    #expect(transformed(source, shape, .init(degrees: 0, scale: 1, right: 0, down: 0)) == source)
  }

  @Test func wholePixelsMoveExactly() {
    let shape = ImageShape(channels: 1, height: 4, width: 6)
    let source = numbered(shape)
    var expected = [Float](repeating: 0, count: 24)
    PixelGeometry.shift(source, shape, down: -1, right: -2, black: black(shape), into: &expected)
    #expect(transformed(source, shape, .init(degrees: 0, scale: 1, right: 2, down: 1)) == expected)
  }

  @Test func enlargingKeepsTheMiddle() {
    // A ramp along x, twice as large about the middle: half as steep.
    let shape = ImageShape(channels: 1, height: 5, width: 9)
    let source = (0..<45).map { Float($0 % 9) }
    let image = transformed(source, shape, .init(degrees: 0, scale: 2, right: 0, down: 0))
    for row in 0..<5 { for x in 0..<9 { #expect(image[row * 9 + x] == 4 + (Float(x) - 4) / 2) } }
    // Half as large: the outer half is black.
    let small = transformed(source, shape, .init(degrees: 0, scale: 0.5, right: 0, down: 0))
    #expect(Array(small[18..<27]) == [-1, -1, 0, 2, 4, 6, 8, -1, -1])
  }

  @Test(
    arguments: [(33, 1.2, 1.5, -2), (-71, 0.7, 0.25, 3.75), (5, 3, -40, 0)] as [(Float, Float, Float, Float)])
  func anyMapAgreesWithThePlainFormula(_ degrees: Float, _ scale: Float, _ right: Float, _ down: Float) {
    let shape = ImageShape(channels: 1, height: 8, width: 11)
    let source = numbered(shape)
    let image = transformed(source, shape, .init(degrees: degrees, scale: scale, right: right, down: down))
    // The other way round: where each pixel of the source goes is inverted by hand, in doubles.
    let angle = Double(degrees) * .pi / 180
    for y in 0..<8 {
      for x in 0..<11 {
        let (dx, dy) = (
          (Double(x) - 5 - Double(right)) / Double(scale), (Double(y) - 3.5 - Double(down)) / Double(scale)
        )
        let fromX = cos(angle) * dx + sin(angle) * dy + 5
        let fromY = -sin(angle) * dx + cos(angle) * dy + 3.5
        var expected = 0.0
        for row in -1...8 {
          for column in -1...11 {
            let weight = max(1 - abs(fromX - Double(column)), 0) * max(1 - abs(fromY - Double(row)), 0)
            let isInside = 0..<8 ~= row && 0..<11 ~= column
            expected += weight * (isInside ? Double(source[row * 11 + column]) : -1)
          }
        }
        if fromX <= -1 || fromX >= 11 || fromY <= -1 || fromY >= 8 { expected = -1 }
        #expect(abs(Double(image[y * 11 + x]) - expected) < 1e-3)
      }
    }
  }

  @Test func cuttingWritesZerosWithinTheImage() {
    let shape = ImageShape(channels: 2, height: 5, width: 6)
    for (row, column, size) in [(2, 3, 3), (0, 0, 4), (4, 5, 1), (2, 2, 20)] {
      var image = [Float](repeating: 7, count: shape.size)
      PixelGeometry.cut(&image, shape, row: row, column: column, size: size)
      for channel in 0..<2 {
        for y in 0..<5 {
          for x in 0..<6 {
            let first = (row - size / 2, column - size / 2)
            let isCut = first.0..<first.0 + size ~= y && first.1..<first.1 + size ~= x
            #expect(image[channel * 30 + y * 6 + x] == (isCut ? 0 : 7))
          }
        }
      }
    }
  }
}
