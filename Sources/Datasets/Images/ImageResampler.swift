/// Changes the size of images: linear between pixels where it enlarges, and where it shrinks, an average
/// over all pixels that a new pixel covers, weighted by a triangle (antialiasing), so that nothing is skipped.
///
/// Rows first, then columns, with weights of 22 bits in whole numbers: the same bytes on every machine.
package struct ImageResampler {
  /// Which pixels of a row or column make up a new one, and with what weights.
  private struct Taps {
    /// The first source pixel of each new pixel.
    var starts: [Int] = []
    /// Where a new pixel's weights begin; one more than there are new pixels.
    var offsets: [Int] = [0]
    var weights: [Int32] = []

    /// New pixels, `count` of them, evenly over the source's `box`, which lies within 0...size.
    init(size: Int, box: ClosedRange<Double>, count: Int) {
      let scale = (box.upperBound - box.lowerBound) / Double(count)
      let reach = max(scale, 1)
      for pixel in 0..<count {
        let middle = box.lowerBound + (Double(pixel) + 0.5) * scale
        let first = max(Int(middle - reach + 0.5), 0)
        let end = max(min(Int(middle + reach + 0.5), size), first + 1)
        var shares: [Double] = []
        for source in first..<end {
          shares.append(max(1 - abs((Double(source) + 0.5 - middle) / reach), 0))
        }
        let sum = shares.reduce(0, +)
        starts.append(first)
        for share in shares {
          weights.append(Int32((share / sum * Double(ImageResampler.one)).rounded(.toNearestOrAwayFromZero)))
        }
        offsets.append(weights.count)
      }
    }
  }

  private static let bits: Int32 = 22
  private static let one: Int32 = 1 << bits

  private let horizontal: Taps
  private let vertical: Taps
  private let rows: Range<Int>
  private let width: Int
  private let height: Int

  /// From a part of an image of `sourceWidth` × `sourceHeight` to one of `width` × `height`: the whole of it,
  /// or the largest part in its middle that has the new image's proportions.
  package init(sourceWidth: Int, sourceHeight: Int, width: Int, height: Int, fit: ImageForm.Fit) {
    var boxWidth = Double(sourceWidth)
    var boxHeight = Double(sourceHeight)
    if fit == .crop {
      // Compared as whole numbers, so that equal proportions leave the image whole.
      if sourceWidth * height > sourceHeight * width {
        boxWidth = Double(sourceHeight) * Double(width) / Double(height)
      } else if sourceWidth * height < sourceHeight * width {
        boxHeight = Double(sourceWidth) * Double(height) / Double(width)
      }
    }
    let left = (Double(sourceWidth) - boxWidth) / 2
    let top = (Double(sourceHeight) - boxHeight) / 2
    horizontal = Taps(size: sourceWidth, box: left...left + boxWidth, count: width)
    let vertical = Taps(size: sourceHeight, box: top...top + boxHeight, count: height)
    // Only the rows that will be looked at are made narrower.
    let counts = (0..<height).map { vertical.starts[$0] + vertical.offsets[$0 + 1] - vertical.offsets[$0] }
    rows = (vertical.starts.min() ?? 0)..<(counts.max() ?? 0)
    self.vertical = vertical
    self.width = width
    self.height = height
  }

  /// Writes the new image, plane behind plane ([channels, height, width]).
  package func resample(_ image: DecodedImage, into planes: UnsafeMutablePointer<UInt8>) {
    let channels = image.channels
    let narrow = narrowed(image)
    narrow.withUnsafeBufferPointer { narrow in
      vertical.weights.withUnsafeBufferPointer { weights in
        for row in 0..<height {
          let first = vertical.starts[row] - rows.lowerBound
          let taps = vertical.offsets[row]..<vertical.offsets[row + 1]
          for column in 0..<width {
            for channel in 0..<channels {
              var sum = Self.one / 2
              var index = (first * width + column) * channels + channel
              for tap in taps {
                sum &+= weights[tap] &* Int32(narrow[index])
                index &+= width &* channels
              }
              planes[(channel * height + row) * width + column] = Self.byte(sum)
            }
          }
        }
      }
    }
  }

  /// The image's `rows` with the new width.
  private func narrowed(_ image: DecodedImage) -> [UInt8] {
    let channels = image.channels
    let size = rows.count * width * channels
    return [UInt8](unsafeUninitializedCapacity: size) { memory, filled in
      filled = size
      image.pixels.withUnsafeBufferPointer { pixels in
        horizontal.weights.withUnsafeBufferPointer { weights in
          for row in rows {
            for column in 0..<width {
              let taps = horizontal.offsets[column]..<horizontal.offsets[column + 1]
              for channel in 0..<channels {
                var sum = Self.one / 2
                var index = (row * image.width + horizontal.starts[column]) * channels + channel
                for tap in taps {
                  sum &+= weights[tap] &* Int32(pixels[index])
                  index &+= channels
                }
                memory[((row - rows.lowerBound) * width + column) * channels + channel] = Self.byte(sum)
              }
            }
          }
        }
      }
    }
  }

  /// Rounded weights can add up to a little more than one.
  @inline(__always)
  private static func byte(_ sum: Int32) -> UInt8 { UInt8(min(sum >> bits, 255)) }
}
