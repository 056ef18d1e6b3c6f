import Foundation
import TensorCore

/// CIFAR-10 and CIFAR-100 in their binary form: records of one label byte (CIFAR-100: a coarse and a fine
/// one) and 3,072 bytes, the red, green and blue planes of 32 × 32 pixels.
public enum CIFAR {
  /// The two data sets.
  public enum Kind: String, Sendable, CaseIterable {
    case cifar10
    case cifar100

    var labelBytes: Int { self == .cifar10 ? 1 : 2 }
    var classes: Int { self == .cifar10 ? 10 : 100 }
    /// The folder that the published archive unpacks to.
    var folder: String { self == .cifar10 ? "cifar-10-batches-bin" : "cifar-100-binary" }
    var namesFile: String { self == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt" }

    func files(_ split: Split) -> [String] {
      switch (self, split) {
      case (.cifar10, .train): (1...5).map { "data_batch_\($0).bin" }
      case (.cifar10, .test): ["test_batch.bin"]
      case (.cifar100, .train): ["train.bin"]
      case (.cifar100, .test): ["test.bin"]
      }
    }
  }

  private static let imageBytes = 3072

  /// Reads a split from the folder that holds its files (`data_batch_1.bin` to `data_batch_5.bin` and
  /// `test_batch.bin`, or `train.bin` and `test.bin`, gzipped or not), or from the one in which the published
  /// archive was unpacked. CIFAR-100's labels are the fine ones.
  ///
  /// The classes' names are read from the file beside them, where there is one. Throws where a file is
  /// missing, damaged, not a whole number of records, or has a label out of range.
  public static func load(
    _ kind: Kind, at folder: String, split: Split, normalization: Normalization = .unit
  ) throws(DatasetError) -> ByteImages {
    var pixels: [UInt8] = []
    var labels: [Int32] = []
    let paths = try find(kind, split, in: folder)
    for path in paths { try read(kind, path, &pixels, &labels) }
    return try ByteImages(
      pixels: pixels, labels: labels, inputShape: [3, 32, 32],
      classNames: classNames(kind, beside: paths[0]), normalization: normalization, place: paths[0])
  }

  private static func read(
    _ kind: Kind, _ path: String, _ pixels: inout [UInt8], _ labels: inout [Int32]
  ) throws(DatasetError) {
    let bytes = try WholeFile.read(path)
    let record = kind.labelBytes + imageBytes
    guard !bytes.isEmpty, bytes.count.isMultiple(of: record) else {
      throw DatasetError(
        at: path, expected: "records of \(record) bytes, as \(kind.rawValue) has them",
        found: "\(bytes.count) bytes, which is not a whole number of them above zero",
        remedy: "Fetch the file again: it was cut short, or it is not the binary version.")
    }
    pixels.reserveCapacity(pixels.count + bytes.count)
    for (index, start) in stride(from: 0, to: bytes.count, by: record).enumerated() {
      let label = bytes[start + kind.labelBytes - 1]
      guard label < kind.classes else {
        throw DatasetError(
          at: path, expected: "labels from 0 to \(kind.classes - 1)",
          found: "\(label) as the label of record \(index)",
          remedy: "Fetch the file again, and check that it belongs to \(kind.rawValue).")
      }
      labels.append(Int32(label))
      pixels += bytes[(start + kind.labelBytes)..<(start + record)]
    }
  }

  private static func find(
    _ kind: Kind, _ split: Split, in folder: String
  ) throws(DatasetError) -> [String] {
    let places = [folder, "\(folder)/\(kind.folder)"]
    let names = kind.files(split)
    func path(_ place: String, _ name: String) -> String? {
      ["\(place)/\(name)", "\(place)/\(name).gz"].first { FileManager.default.fileExists(atPath: $0) }
    }
    let place = places.first { place in names.contains { path(place, $0) != nil } } ?? folder
    return try names.map { (name) throws(DatasetError) in
      if let path = path(place, name) { return path }
      throw DatasetError(
        at: place, expected: "the files \(names.joined(separator: ", "))", found: "no \(name)",
        remedy: "Give the folder that holds the data in their binary version: --set data.path=FOLDER.")
    }
  }

  /// The names, a line each; numbers where there is no such file.
  private static func classNames(_ kind: Kind, beside path: String) -> [String] {
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
      separator: "/")
    let numbers = (0..<kind.classes).map(String.init)
    guard let bytes = try? WholeFile.read("\(folder)/\(kind.namesFile)", limit: 1 << 16) else {
      return numbers
    }
    let names = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    return names.count == kind.classes ? names : numbers
  }
}
