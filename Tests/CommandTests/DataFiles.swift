import Foundation
import ImageWriter

/// Small data sets as files, of every kind that the command reads.
extension Workplace {
  func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

  /// 90 rows of three classes, which the three inputs tell apart.
  func writeTable(to name: String) throws {
    var text = "a,b,c,species\n"
    for row in 0..<90 {
      let kind = row % 3
      let noise = (1...3).map { Double((row * 7 * $0) % 11) / 20 }
      text +=
        "\(Double(kind) + noise[0]),\(noise[1] - Double(kind)),\(noise[2]),\(["cat", "dog", "eel"][kind])\n"
    }
    try write(text, to: name)
  }

  /// Images of 2 × 2 and more as bytes, [samples, 3, size, size], with labels of 4 classes; the test split lacks one.
  func writeArrays(to folder: String, size: Int) throws {
    for (split, count, classes) in [("train", 48, 4), ("test", 12, 3)] {
      let pixels = (0..<count * 3 * size * size).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 192) }
      try write(npy("|u1", [count, 3, size, size], pixels), to: "\(folder)/\(split)_inputs.npy")
      let labels = (0..<count).map { UInt8($0 % classes) }
      try write(npy("|u1", [count], labels), to: "\(folder)/\(split)_labels.npy")
    }
  }

  private func npy(_ type: String, _ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
    let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(dimensions)), }\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + bytes
  }

  /// CIFAR-10's binary files with ten images each.
  func writeCIFAR(to folder: String) throws {
    for name in (1...5).map({ "data_batch_\($0)" }) + ["test_batch"] {
      let records = (0..<10).flatMap { label in
        [UInt8(label)] + (0..<3072).map { UInt8(truncatingIfNeeded: $0 * (label + 3)) }
      }
      try write(records, to: "\(folder)/\(name).bin")
    }
  }

  /// Folders of red, green and blue images, half of them JPEG.
  func writeImages(to folder: String, each count: Int) throws {
    for (channel, color) in ["red", "green", "blue"].enumerated() {
      for number in 0..<count {
        let isPNG = number % 2 == 0
        try write(
          image(channel, number, isPNG: isPNG), to: "\(folder)/\(color)/\(number).\(isPNG ? "png" : "jpg")")
      }
    }
  }

  /// An image of 12 × 10 pixels, mostly of one colour.
  func image(_ channel: Int, _ number: Int, isPNG: Bool) -> [UInt8] {
    let (width, height) = (12, 10)
    let pixels = (0..<width * height * 3).map { index in
      UInt8((index * 13 + number * 29) % 60 + (index % 3 == channel ? 180 : 0))
    }
    var count = 0
    let memory =
      isPNG
      ? image_writer_png(pixels, UInt32(width), UInt32(height), image_writer_color, 8, 0, &count)
      : image_writer_jpeg(pixels, UInt32(width), UInt32(height), 3, 95, &count)
    guard let memory else { return [] }
    defer { free(memory) }
    return Array(UnsafeBufferPointer(start: memory, count: count))
  }

  /// About 5000 characters.
  func writeText(to name: String) throws {
    let words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"]
    let lines = (0..<120).map { line in (0..<8).map { words[(line * 5 + $0 * $0) % 9] }.joined(separator: " ")
    }
    try write(lines.joined(separator: "\n"), to: name)
  }
}

/// What makes a run of a few steps from an empty configuration file.
func tinyRun(_ name: String, _ values: [String]) -> [String] {
  ["train", "empty.yaml", "--out", name]
    + (["batch=12", "shards=2", "steps=3", "optimizer.name=adam"] + values).flatMap { ["--set", $0] }
}
