/// Changes the colours of images whose channels count from 0 to 1: [channels, area], in place.
enum PixelColors {
  /// Every colour times `factor`.
  static func brighten(_ image: UnsafeMutablePointer<Float>, count: Int, by factor: Float) {
    for index in 0..<count { image[index] = clamped(image[index] * factor) }
  }

  /// `factor` times the image plus 1 − `factor` times its mean luma.
  static func contrast(
    _ image: UnsafeMutablePointer<Float>, channels: Int, area: Int, by factor: Float
  ) {
    var sum = 0.0
    if channels == 3 {
      for pixel in 0..<area { sum += Double(luma(image, pixel, area)) }
    } else {
      for index in 0..<channels * area { sum += Double(image[index]) }
      sum /= Double(channels)
    }
    let offset = (1 - factor) * Float(sum / Double(area))
    for index in 0..<channels * area { image[index] = clamped(image[index] * factor + offset) }
  }

  /// `factor` times each pixel plus 1 − `factor` times its luma, for three channels.
  static func saturate(_ image: UnsafeMutablePointer<Float>, area: Int, by factor: Float) {
    for pixel in 0..<area {
      let offset = (1 - factor) * luma(image, pixel, area)
      for channel in 0..<3 {
        image[channel * area + pixel] = clamped(image[channel * area + pixel] * factor + offset)
      }
    }
  }

  /// ITU-R BT.601.
  @inline(__always)
  private static func luma(_ image: UnsafePointer<Float>, _ pixel: Int, _ area: Int) -> Float {
    0.299 * image[pixel] + 0.587 * image[area + pixel] + 0.114 * image[2 * area + pixel]
  }

  @inline(__always)
  private static func clamped(_ color: Float) -> Float { min(max(color, 0), 1) }
}
