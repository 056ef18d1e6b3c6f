import CImageCodecs
import TensorCore

/// The pixels of one PNG or JPEG file.
package struct DecodedImage {
  package let width: Int
  package let height: Int
  /// 1 for grey, 3 for red, green and blue.
  package let channels: Int
  /// [height, width, channels], dense.
  package let pixels: [UInt8]

  /// The most pixels along a side: what JPEG can say, and then some.
  package static let greatestSide = 65_500
  /// The most pixels of an image: 256 Mi.
  package static let greatestArea = 1 << 28
  /// The most pixels of an image whose file is small: 16 Mi. Beyond that a file must have a byte for every
  /// `pixelsPerByte`, which the emptiest page has; else a hundred bytes could ask for a gigabyte.
  package static let freeArea = 1 << 24
  package static let pixelsPerByte = 2048

  package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(pixels.count == width * height * channels, "a byte for each channel of each pixel")
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// Decodes a file, which its first bytes say the format of. Transparency is left out, 16 bits become 8.
  ///
  /// Throws, naming the file, where it cannot be read, is neither PNG nor JPEG, is damaged or cut short, or
  /// is larger than the limits above, which are checked before memory is taken.
  package init(contentsOf path: String) throws(DatasetError) {
    let bytes = try WholeFile.read(path, limit: 1 << 30)
    var header = lockstep_image()
    var problem = lockstep_image_error()
    let isPNG = lockstep_is_png(bytes, bytes.count)
    guard isPNG || lockstep_is_jpeg(bytes, bytes.count) else {
      throw DatasetError(
        at: path, expected: "a PNG or JPEG image", found: Self.describe(bytes),
        remedy: "Convert it to PNG or JPEG, or take it out of the folder.")
    }
    guard
      isPNG
        ? lockstep_png_header(bytes, bytes.count, &header, &problem)
        : lockstep_jpeg_header(bytes, bytes.count, &header, &problem)
    else { throw Self.damaged(path, isPNG, problem) }
    let (width, height, channels) = (Int(header.width), Int(header.height), Int(header.channels))
    guard width > 0, height > 0, width <= Self.greatestSide, height <= Self.greatestSide,
      width * height <= Self.greatestArea
    else {
      throw DatasetError(
        at: path,
        expected: "an image of up to \(Self.greatestSide) pixels a side and \(Self.greatestArea) in all",
        found: "a header that says \(width) × \(height)",
        remedy: "Make the image smaller; if it is, the file is damaged: fetch it again.")
    }
    guard width * height <= max(Self.freeArea, Self.pixelsPerByte * bytes.count) else {
      throw DatasetError(
        at: path,
        expected:
          "at most \(Self.pixelsPerByte) pixels for each byte of the file beyond \(Self.freeArea) pixels",
        found: "a header that says \(width) × \(height), in a file of \(bytes.count) bytes",
        remedy: "Make the image smaller; if it is, the file is damaged: fetch it again.")
    }
    var succeeded = false
    let size = width * height * channels
    let pixels = [UInt8](unsafeUninitializedCapacity: size) { memory, filled in
      guard let base = memory.baseAddress else { return }
      succeeded =
        isPNG
        ? lockstep_png_decode(bytes, bytes.count, &header, base, &problem)
        : lockstep_jpeg_decode(bytes, bytes.count, &header, base, &problem)
      filled = succeeded ? size : 0
    }
    guard succeeded else { throw Self.damaged(path, isPNG, problem) }
    self.init(width: width, height: height, channels: channels, pixels: pixels)
  }

  /// The same image with 1 or 3 channels. Grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.
  package func converted(to wanted: Int) -> DecodedImage {
    if wanted == channels { return self }
    let area = width * height
    let converted = [UInt8](unsafeUninitializedCapacity: area * wanted) { memory, filled in
      filled = area * wanted
      if wanted == 3 {
        for pixel in 0..<area {
          for channel in 0..<3 { memory[3 * pixel + channel] = pixels[pixel] }
        }
      } else {
        for pixel in 0..<area {
          // The factors times 2¹⁶; they add up to it.
          let red = 19_595 * UInt32(pixels[3 * pixel])
          let green = 38_470 * UInt32(pixels[3 * pixel + 1])
          let blue = 7471 * UInt32(pixels[3 * pixel + 2])
          memory[pixel] = UInt8((red + green + blue + 0x8000) >> 16)
        }
      }
    }
    return DecodedImage(width: width, height: height, channels: wanted, pixels: converted)
  }

  private static func damaged(
    _ path: String, _ isPNG: Bool, _ problem: lockstep_image_error
  ) -> DatasetError {
    let text = withUnsafeBytes(of: problem.text) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return DatasetError(
      at: path, expected: "an intact \(isPNG ? "PNG" : "JPEG") image", found: "damaged data: \(text)",
      remedy: "Fetch the file again, or take it out of the folder.")
  }

  private static func describe(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "an empty file" }
    let known: [(String, [UInt8])] = [
      ("GIF", Array("GIF8".utf8)), ("BMP", Array("BM".utf8)), ("TIFF", [0x49, 0x49, 0x2A, 0]),
      ("TIFF", [0x4D, 0x4D, 0, 0x2A]), ("RIFF, such as WebP", Array("RIFF".utf8)),
    ]
    if let format = known.first(where: { bytes.starts(with: $0.1) }) { return "a \(format.0) file" }
    let start = bytes.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    return "a file that begins with the bytes \(start.joined(separator: " "))"
  }
}
