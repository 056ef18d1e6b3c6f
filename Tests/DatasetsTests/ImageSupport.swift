import Datasets
import Foundation
import ImageWriter
import Testing

extension Dataset {
  /// The values and weights that `fill` writes for samples.
  func filledWithWeights(_ samples: [Int]) -> (values: [Float], weights: [Float]) {
    var inputs = [Float](repeating: .nan, count: samples.count * inputSize)
    var labels = [Int32](repeating: -1, count: samples.count * max(target.labelsPerSample, 1))
    var values = [Float](repeating: .nan, count: samples.count * max(target.valuesPerSample, 1))
    var weights = [Float](repeating: .nan, count: samples.count)
    inputs.withUnsafeMutableBufferPointer { inputs in
      labels.withUnsafeMutableBufferPointer { labels in
        values.withUnsafeMutableBufferPointer { values in
          weights.withUnsafeMutableBufferPointer { weights in
            samples.withUnsafeBufferPointer { samples in
              guard let inputs = inputs.baseAddress else { return }
              fill(
                samples, epoch: 0, inputs: inputs,
                targets: TargetMemory(
                  labels: labels.baseAddress, values: values.baseAddress, weights: weights.baseAddress))
            }
          }
        }
      }
    }
    return (values, weights)
  }
}

/// Image files, as bytes.
enum ImageFile {
  /// Rows as PNG has them.
  static func png(
    _ rows: [UInt8], width: Int, height: Int, kind: image_writer_kind = image_writer_color, depth: Int = 8,
    isInterlaced: Bool = false
  ) -> [UInt8] {
    var count = 0
    guard
      let memory = image_writer_png(
        rows, UInt32(width), UInt32(height), kind, Int32(depth), isInterlaced ? 1 : 0, &count)
    else { return [] }
    defer { free(memory) }
    return Array(UnsafeBufferPointer(start: memory, count: count))
  }

  /// [height, width, channels]
  static func jpeg(
    _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3, quality: Int = 95
  ) -> [UInt8] {
    var count = 0
    guard
      let memory = image_writer_jpeg(
        pixels, UInt32(width), UInt32(height), Int32(channels), Int32(quality), &count)
    else { return [] }
    defer { free(memory) }
    return Array(UnsafeBufferPointer(start: memory, count: count))
  }

  /// Colours that change slowly, [height, width, 3].
  static func smooth(width: Int, height: Int) -> [UInt8] {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        pixels.append(UInt8(40 + 150 * x / width))
        pixels.append(UInt8(60 + 150 * y / height))
        pixels.append(UInt8(200 - 150 * (x + y) / (width + height)))
      }
    }
    return pixels
  }
}
