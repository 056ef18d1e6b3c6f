import CZlib
import TensorCore

/// Images of bytes with a class each, all in memory. `IDXImages` reads them, `BuiltInDigits` draws them.
public struct ByteImages: Dataset {
  public let inputShape: [Int]
  public let classNames: [String]
  public let normalization: Normalization
  /// [count] + inputShape, dense.
  private let pixels: StoredNumbers<UInt8>
  /// [count], each in 0..<classes.
  private let labels: StoredNumbers<Int32>
  private let channels: Int
  private let channelSize: Int
  private let lines: [ByteLine]

  public var count: Int { labels.count }
  public var target: Target { .classes(classNames.count) }

  /// Takes images from memory: `pixels` is [labels.count] + `inputShape`, dense; `inputShape` is
  /// [channels, height, width], or has fewer dimensions and one channel.
  ///
  /// Throws where there is no image, a label is not in 0..<classNames.count, or `normalization` is for
  /// another number of channels; `place` says in the message whose fault it is.
  public init(
    pixels: [UInt8], labels: [Int32], inputShape: [Int], classNames: [String],
    normalization: Normalization = .unit, place: String = "images in memory"
  ) throws(DatasetError) {
    let size = inputShape.reduce(1, *)
    precondition(pixels.count == labels.count * size, "an image for each label")
    guard size > 0, !labels.isEmpty else {
      throw DatasetError(
        at: place, expected: "at least one image of at least one pixel",
        found: "\(labels.count) images of shape \(inputShape)",
        remedy: "Name a data set with samples in it.")
    }
    if let wrong = labels.firstIndex(where: { $0 < 0 || $0 >= classNames.count }) {
      throw DatasetError(
        at: place, expected: "labels from 0 to \(classNames.count - 1)",
        found: "\(labels[wrong]) as the label of sample \(wrong)",
        remedy: "Correct the labels, or set the number of classes: --set data.classes=N")
    }
    try self.init(
      pixels: StoredNumbers(pixels), labels: StoredNumbers(labels), inputShape: inputShape,
      classNames: classNames, normalization: normalization, place: place)
  }

  private init(
    pixels: StoredNumbers<UInt8>, labels: StoredNumbers<Int32>, inputShape: [Int], classNames: [String],
    normalization: Normalization, place: String
  ) throws(DatasetError) {
    channels = inputShape.count == 3 ? inputShape[0] : 1
    channelSize = inputShape.reduce(1, *) / channels
    self.pixels = pixels
    self.labels = labels
    self.inputShape = inputShape
    self.classNames = classNames
    self.normalization = normalization
    if let wanted = normalization.channels, wanted != channels {
      throw DatasetError(
        at: place, expected: "images of \(wanted) channels, for which the normalization was made",
        found: "\(channels) channels",
        remedy: "Use images like those that the model was trained on, or another normalization.")
    }
    lines = (0..<channels).map(normalization.line)
  }

  /// The same images under another normalization; the bytes are shared, not copied. Throws where
  /// `normalization` is for another number of channels.
  public func normalized(by normalization: Normalization) throws(DatasetError) -> ByteImages {
    try ByteImages(
      pixels: pixels, labels: labels, inputShape: inputShape, classNames: classNames,
      normalization: normalization, place: "images in memory")
  }

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    guard let answers = targets.labels else { preconditionFailure("images have labels") }
    pixels.withUnsafeBufferPointer { pixels in
      labels.withUnsafeBufferPointer { labels in
        lines.withUnsafeBufferPointer { lines in
          guard let base = pixels.baseAddress else { return }
          let size = channels * channelSize
          for (row, sample) in samples.enumerated() {
            precondition(sample >= 0 && sample < labels.count, "there is no sample \(sample)")
            answers[row] = labels[sample]
            if row + 1 < samples.count { fetch(base, sample: samples[row + 1]) }
            for channel in 0..<channels {
              lines[channel].convert(
                base + sample * size + channel * channelSize, count: channelSize,
                into: inputs + row * size + channel * channelSize)
            }
          }
        }
      }
    }
  }

  /// Asks the memory for a sample while the one before is converted: shuffled samples would otherwise wait
  /// longer for memory than they take to convert.
  @inline(__always)
  private func fetch(_ pixels: UnsafePointer<UInt8>, sample: Int) {
    let size = channels * channelSize
    for offset in stride(from: 0, to: min(size, 4096), by: 64) {
      lockstep_prefetch(pixels + (sample &* size &+ offset))
    }
  }

  /// The normalization that gives each channel of some of these images (nil: of all) mean 0 and standard
  /// deviation 1: take it from the samples that are trained on, and give it to all splits. The sums are of
  /// integers, so the result is the same on every machine. A channel that never changes gets the deviation 1.
  public func standardNormalization(of samples: [Int]? = nil) -> Normalization {
    let samples = samples ?? Array(0..<count)
    precondition(!samples.isEmpty, "statistics of no samples")
    var means: [Double] = []
    var deviations: [Double] = []
    for channel in 0..<channels {
      var sum: UInt64 = 0
      var squares: UInt64 = 0
      pixels.withUnsafeBufferPointer { pixels in
        for image in samples {
          // 65,536 squares of bytes fit 32 bits: such pieces vectorize.
          let start = (image * channels + channel) * channelSize
          for piece in stride(from: start, to: start + channelSize, by: 65_536) {
            var pieceSum: UInt32 = 0
            var pieceSquares: UInt32 = 0
            for index in piece..<min(piece + 65_536, start + channelSize) {
              let pixel = UInt32(pixels[index])
              pieceSum &+= pixel
              pieceSquares &+= pixel &* pixel
            }
            sum += UInt64(pieceSum)
            squares += UInt64(pieceSquares)
          }
        }
      }
      let count = Double(samples.count * channelSize) * 255
      let mean = Double(sum) / count
      let variance = max(Double(squares) / (count * 255) - mean * mean, 0)
      means.append(mean)
      deviations.append(variance > 1e-12 ? variance.squareRoot() : 1)
    }
    return .standard(mean: means, standardDeviation: deviations)
  }

  public func digest() -> String {
    var hash = ContentHash()
    hash.add(pixels)
    hash.add(labels)
    return digest(hash: hash)
  }
}

extension ByteImages: ShareableData {
  private struct Outline: Codable {
    let inputShape: [Int]
    let classNames: [String]
    let normalization: Normalization
  }

  public func add(to archive: inout DataArchive) {
    archive.add(Outline(inputShape: inputShape, classNames: classNames, normalization: normalization))
    archive.add(pixels)
    archive.add(labels)
  }

  public init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    let outline = try archive.next(Outline.self)
    try self.init(
      pixels: archive.nextNumbers(UInt8.self), labels: archive.nextNumbers(Int32.self),
      inputShape: outline.inputShape, classNames: outline.classNames, normalization: outline.normalization,
      place: "shared images")
  }
}
