import Foundation
import TensorCore

/// Moves pixels: every function writes a whole image, made from another, [channels, height, width].
/// `black` is the number that a black pixel has in each channel.
package enum PixelGeometry {
  /// Left and right change places, in place.
  package static func flip(_ image: UnsafeMutablePointer<Float>, rows: Int, width: Int) {
    for row in 0..<rows {
      let line = image + row * width
      for column in 0..<width / 2 {
        let other = width - 1 - column
        (line[column], line[other]) = (line[other], line[column])
      }
    }
  }

  /// Pixel (y, x) becomes pixel (y + down, x + right) of the source, or black where that has none.
  package static func shift(
    _ source: UnsafePointer<Float>, _ shape: ImageShape, down: Int, right: Int,
    black: UnsafePointer<Float>, into image: UnsafeMutablePointer<Float>
  ) {
    let first = min(max(-right, 0), shape.width)
    let end = max(min(shape.width - right, shape.width), first)
    for channel in 0..<shape.channels {
      for row in 0..<shape.height {
        let line = image + channel * shape.area + row * shape.width
        let from = row + down
        guard from >= 0, from < shape.height else {
          line.update(repeating: black[channel], count: shape.width)
          continue
        }
        let sourceLine = source + channel * shape.area + from * shape.width
        line.update(repeating: black[channel], count: first)
        (line + first).update(from: sourceLine + first + right, count: end - first)
        (line + end).update(repeating: black[channel], count: shape.width - end)
      }
    }
  }

  /// Where a pixel of the new image comes from: (x, y) about the image's middle becomes
  /// (xx x + xy y + x0, yx x + yy y + y0) about it.
  package struct Map {
    var xx: Float
    var xy: Float
    var yx: Float
    var yy: Float
    var x0: Float
    var y0: Float

    /// Turns what the image shows by an angle (counted from the x axis, right, towards the y axis, down),
    /// enlarges it, then moves it by so many pixels.
    package init(degrees: Float, scale: Float, right: Float, down: Float) {
      let angle = Double(degrees) * .pi / 180
      let cosine = cos(angle) / Double(scale)
      let sine = sin(angle) / Double(scale)
      xx = Float(cosine)
      xy = Float(sine)
      yx = Float(-sine)
      yy = Float(cosine)
      x0 = -(xx * right + xy * down)
      y0 = -(yx * right + yy * down)
    }
  }

  /// Linear between pixels; black around the source.
  package static func transform(
    _ source: UnsafePointer<Float>, _ shape: ImageShape, by map: Map, black: UnsafePointer<Float>,
    into image: UnsafeMutablePointer<Float>
  ) {
    let (width, height, area) = (shape.width, shape.height, shape.area)
    let middleX = Float(width - 1) / 2
    let middleY = Float(height - 1) / 2
    for row in 0..<height {
      let y = Float(row) - middleY
      for column in 0..<width {
        let x = Float(column) - middleX
        // Far outside is as good as just outside, and fits a whole number.
        let fromX = min(max(map.xx * x + map.xy * y + map.x0 + middleX, -2), Float(width) + 1)
        let fromY = min(max(map.yx * x + map.yy * y + map.y0 + middleY, -2), Float(height) + 1)
        // Rounded down, since what is rounded towards zero is not below it. (Int32 is one instruction.)
        let x0 = Int(Int32(fromX + 2)) - 2
        let y0 = Int(Int32(fromY + 2)) - 2
        let (shareX, shareY) = (fromX - Float(x0), fromY - Float(y0))
        let pixel = row * width + column
        if x0 >= 0, y0 >= 0, x0 + 1 < width, y0 + 1 < height {
          for channel in 0..<shape.channels {
            let corner = source + channel * area + y0 * width + x0
            let upper = corner[0] * (1 - shareX) + corner[1] * shareX
            let lower = corner[width] * (1 - shareX) + corner[width + 1] * shareX
            image[channel * area + pixel] = upper * (1 - shareY) + lower * shareY
          }
        } else {
          for channel in 0..<shape.channels {
            func value(_ y: Int, _ x: Int) -> Float {
              y >= 0 && y < height && x >= 0 && x < width
                ? source[channel * area + y * width + x] : black[channel]
            }
            let upper = value(y0, x0) * (1 - shareX) + value(y0, x0 + 1) * shareX
            let lower = value(y0 + 1, x0) * (1 - shareX) + value(y0 + 1, x0 + 1) * shareX
            image[channel * area + pixel] = upper * (1 - shareY) + lower * shareY
          }
        }
      }
    }
  }

  /// A square with `row` and `column` as its middle becomes 0, as far as it lies in the image.
  package static func cut(
    _ image: UnsafeMutablePointer<Float>, _ shape: ImageShape, row: Int, column: Int, size: Int
  ) {
    let rows = max(row - size / 2, 0)..<min(row - size / 2 + size, shape.height)
    let columns = max(column - size / 2, 0)..<min(column - size / 2 + size, shape.width)
    for channel in 0..<shape.channels {
      for row in rows {
        (image + channel * shape.area + row * shape.width + columns.lowerBound)
          .update(repeating: 0, count: columns.count)
      }
    }
  }
}
