import Datasets
import Testing

@Suite struct ImageResamplerTests {
  private func resample(
    _ image: DecodedImage, width: Int, height: Int, fit: ImageForm.Fit = .stretch
  ) -> [UInt8] {
    let resampler = ImageResampler(
      sourceWidth: image.width, sourceHeight: image.height, width: width, height: height, fit: fit)
    return [UInt8](unsafeUninitializedCapacity: width * height * image.channels) { memory, count in
      count = width * height * image.channels
      if let base = memory.baseAddress { resampler.resample(image, into: base) }
    }
  }

  private func grey(_ pixels: [UInt8], width: Int) -> DecodedImage {
    DecodedImage(width: width, height: pixels.count / width, channels: 1, pixels: pixels)
  }

  @Test func theSameSizeIsTheSameImage() {
    let pixels = (0..<6 * 4).map { UInt8($0 * 41 % 256) }
    #expect(resample(grey(pixels, width: 6), width: 6, height: 4) == pixels)
    #expect(resample(grey(pixels, width: 6), width: 6, height: 4, fit: .crop) == pixels)
  }

  @Test func planesLieBehindOneAnother() {
    let image = DecodedImage(width: 2, height: 1, channels: 3, pixels: [1, 2, 3, 4, 5, 6])
    #expect(resample(image, width: 2, height: 1) == [1, 4, 2, 5, 3, 6])
  }

  @Test func everyPixelCountsWhenAnImageShrinks() {
    // A fine checkerboard becomes grey, not black or white as with picked pixels.
    let board = (0..<64 * 64).map { ($0 / 64 + $0 % 64).isMultiple(of: 2) ? UInt8(0) : UInt8(255) }
    let small = resample(grey(board, width: 64), width: 8, height: 8)
    #expect(small.allSatisfy { abs(Int($0) - 127) <= 3 })
  }

  @Test func theWeightsAreATriangle() {
    // Shrinking 8 to 2: the new pixels lie at 2 and 6, and reach 4 to either side.
    for position in 0..<8 {
      var pixels = [UInt8](repeating: 0, count: 8)
      pixels[position] = 240
      let shrunk = resample(grey(pixels, width: 8), width: 2, height: 1)
      for (pixel, middle) in [(0, 2.0), (1, 6.0)] {
        let share = (0..<8).map { max(1 - abs((Double($0) + 0.5 - middle) / 4), 0) }
        let expected = 240 * share[position] / share.reduce(0, +)
        #expect(abs(Double(shrunk[pixel]) - expected) <= 0.5)
      }
    }
  }

  @Test func enlargingIsLinear() {
    // 0 and 100 at 1 and 3 of four new pixels: 0, 25, 75, 100.
    #expect(resample(grey([0, 100], width: 2), width: 4, height: 1) == [0, 25, 75, 100])
    #expect(resample(grey([0, 100], width: 1), width: 1, height: 4) == [0, 25, 75, 100])
  }

  @Test func rowsAndColumnsAreNotConfused() {
    // The left half is dark, the upper half of the right one bright.
    let pixels = (0..<12 * 20).map { index in
      let (y, x) = (index / 12, index % 12)
      return x < 6 ? UInt8(10) : y < 10 ? 250 : 100
    }
    let small = resample(grey(pixels, width: 12), width: 4, height: 2)
    #expect(small[0] == 10 && small[4] == 10 && small[3] > 200 && small[7] < 130)
  }

  @Test func croppingTakesTheMiddle() {
    // 12 × 4, thirds of 10, 100, 200; the middle 4 × 4 is all 100.
    let pixels = (0..<48).map { [10, 100, 200][$0 % 12 / 4] as UInt8 }
    #expect(
      resample(grey(pixels, width: 12), width: 4, height: 4, fit: .crop) == [UInt8](repeating: 100, count: 16)
    )
    let upright = (0..<48).map { [10, 100, 200][$0 / 16] as UInt8 }
    #expect(
      resample(grey(upright, width: 4), width: 4, height: 4, fit: .crop) == [UInt8](repeating: 100, count: 16)
    )
    #expect(resample(grey(pixels, width: 12), width: 4, height: 4) != [UInt8](repeating: 100, count: 16))
  }

  @Test(arguments: [(1, 1, 5, 3), (5, 3, 1, 1), (1000, 1, 1, 1), (3, 7, 7, 3), (2, 1000, 3, 4)])
  func anEvenImageStaysEven(_ width: Int, _ height: Int, _ newWidth: Int, _ newHeight: Int) {
    for fit in ImageForm.Fit.allCases {
      for level in [0, 131, 255] as [UInt8] {
        let image = grey([UInt8](repeating: level, count: width * height), width: width)
        #expect(
          resample(image, width: newWidth, height: newHeight, fit: fit)
            == [UInt8](repeating: level, count: newWidth * newHeight))
      }
    }
  }
}
