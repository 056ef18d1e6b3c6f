import Datasets
import ImageWriter
import Testing

@Suite struct DecodedImageTests {
  private func decode(_ bytes: [UInt8], named name: String = "image.png") throws -> DecodedImage {
    let folder = try TemporaryFolder()
    return try DecodedImage(contentsOf: folder.write(bytes, to: name))
  }

  private func refusal(_ bytes: [UInt8]) -> String {
    let error = #expect(throws: DatasetError.self) { try decode(bytes, named: "some.file") }
    let message = error?.description ?? ""
    #expect(message.contains("some.file"))
    return message
  }

  @Test func pngPixelsComeBackExactly() throws {
    let pixels = (0..<7 * 5 * 3).map { UInt8($0 * 37 % 256) }
    for isInterlaced in [false, true] {
      let image = try decode(ImageFile.png(pixels, width: 7, height: 5, isInterlaced: isInterlaced))
      #expect(image.width == 7 && image.height == 5 && image.channels == 3)
      #expect(image.pixels == pixels)
    }
    let grey = try decode(ImageFile.png(Array(1...12), width: 4, height: 3, kind: image_writer_grey))
    #expect(grey.channels == 1 && grey.pixels == Array(1...12))
  }

  @Test func pngVariantsBecomeEightBits() throws {
    let palette = try decode(ImageFile.png([3, 1, 0, 2], width: 2, height: 2, kind: image_writer_palette))
    #expect(palette.channels == 3)
    #expect(palette.pixels == [3, 252, 7, 1, 254, 7, 0, 255, 7, 2, 253, 7])
    // Two bits a sample, a row padded to a byte: 0, 1, 2, 3 of 3.
    let deep = try decode(
      ImageFile.png([0b0001_1011], width: 4, height: 1, kind: image_writer_grey, depth: 2))
    #expect(deep.pixels == [0, 85, 170, 255])
    let wide = try decode(
      ImageFile.png([0xFF, 0xFF, 0x80, 0x80, 0, 0], width: 1, height: 1, depth: 16))
    #expect(wide.pixels == [255, 128, 0])
    let clear = try decode(
      ImageFile.png([9, 8, 7, 0, 6, 5, 4, 255], width: 2, height: 1, kind: image_writer_color_alpha))
    #expect(clear.channels == 3 && clear.pixels == [9, 8, 7, 6, 5, 4])
    let greyAlpha = try decode(ImageFile.png([9, 0], width: 1, height: 1, kind: image_writer_grey_alpha))
    #expect(greyAlpha.channels == 1 && greyAlpha.pixels == [9])
  }

  @Test func jpegPixelsComeBackNearly() throws {
    let pixels = ImageFile.smooth(width: 37, height: 21)
    let image = try decode(ImageFile.jpeg(pixels, width: 37, height: 21))
    #expect(image.width == 37 && image.height == 21 && image.channels == 3)
    #expect(zip(image.pixels, pixels).allSatisfy { abs(Int($0) - Int($1)) <= 8 })
    let grey = try decode(ImageFile.jpeg([UInt8](repeating: 77, count: 64), width: 8, height: 8, channels: 1))
    #expect(grey.channels == 1)
    #expect(grey.pixels.allSatisfy { abs(Int($0) - 77) <= 2 })
  }

  @Test func inksBecomeLight() throws {
    // libjpeg writes Adobe's mark, with which 255 means no ink: here full red light, half of it black.
    let pixels = (0..<64).flatMap { _ in [255, 0, 0, 128] as [UInt8] }
    let image = try decode(ImageFile.jpeg(pixels, width: 8, height: 8, channels: 4, quality: 100))
    #expect(image.channels == 3)
    #expect(abs(Int(image.pixels[0]) - 128) <= 2 && image.pixels[1] <= 2 && image.pixels[2] <= 2)
  }

  @Test func channelsAreConverted() throws {
    let image = DecodedImage(width: 2, height: 1, channels: 3, pixels: [255, 255, 255, 100, 200, 50])
    #expect(image.converted(to: 1).pixels == [255, 153])
    let grey = DecodedImage(width: 2, height: 1, channels: 1, pixels: [4, 9])
    #expect(grey.converted(to: 3).pixels == [4, 4, 4, 9, 9, 9])
  }

  @Test func truncatedImagesAreRefusedWhereverTheyEnd() throws {
    let pixels = (0..<64 * 48 * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    for file in [
      ImageFile.png(pixels, width: 64, height: 48), ImageFile.jpeg(pixels, width: 64, height: 48),
    ] {
      for share in [0.01, 0.1, 0.3, 0.5, 0.9, 0.99] {
        let cut = Array(file.prefix(Int(Double(file.count) * share)))
        #expect(refusal(cut).contains("expected"))
      }
    }
  }

  @Test func damagedImagesAreRefused() throws {
    let pixels = (0..<64 * 48 * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    var png = ImageFile.png(pixels, width: 64, height: 48)
    png[png.count / 2] ^= 0x40
    #expect(refusal(png).contains("an intact PNG image"))
    var jpeg = ImageFile.jpeg(pixels, width: 64, height: 48)
    // A marker in the middle of the pixels' data: the rest is missing.
    jpeg[jpeg.count / 2] = 0xFF
    jpeg[jpeg.count / 2 + 1] = 0xD9
    #expect(refusal(jpeg).contains("an intact JPEG image"))
  }

  @Test func otherFilesAreRefused() {
    #expect(refusal([]).contains("an empty file"))
    #expect(refusal(Array("GIF89a".utf8)).contains("GIF"))
    #expect(refusal(Array("hello".utf8)).contains("68 65 6c 6c"))
    #expect(refusal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]).contains("PNG"))
    #expect(refusal([0xFF, 0xD8, 0xFF]).contains("JPEG"))
  }

  @Test func hugeHeadersTakeNoMemory() throws {
    // The header of a PNG says 60,000 × 60,000, and 70,000 × 1.
    for (width, height) in [(60_000, 60_000), (70_000, 1), (0x7FFF_FFFF, 0x7FFF_FFFF)] {
      var png = ImageFile.png([1, 2, 3], width: 1, height: 1)
      for (start, size) in [(16, width), (20, height)] {
        for byte in 0..<4 { png[start + byte] = UInt8(truncatingIfNeeded: size >> (24 - 8 * byte)) }
      }
      let checksum = crc(png[12..<29])
      for byte in 0..<4 { png[29 + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * UInt32(byte))) }
      let message = refusal(png)
      #expect(message.contains("\(width) × \(height)") || message.contains("damaged"))
    }
    // A JPEG that says 65,535 × 65,535.
    var jpeg = ImageFile.jpeg([UInt8](repeating: 0, count: 192), width: 8, height: 8)
    let start = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
    for byte in 5..<9 { jpeg[start + byte] = 0xFF }
    #expect(refusal(jpeg).contains("65535 × 65535") || refusal(jpeg).contains("damaged"))
  }

  private func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var register: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
    }
    return ~register
  }
}
