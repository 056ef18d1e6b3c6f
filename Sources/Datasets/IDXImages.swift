import Foundation
import TensorCore

/// Images in the four files in which MNIST and its kin are published: MNIST, Fashion-MNIST, KMNIST, EMNIST.
public enum IDXImages {
  /// Reads one split from the folder that holds its two files: `train-images-idx3-ubyte` and
  /// `train-labels-idx1-ubyte`, or those that begin with `t10k`; with or without `.gz`, and with a dot or a
  /// hyphen before `idx`.
  ///
  /// Images are unsigned bytes, [count, height, width] (one channel), [count, channels, height, width] or
  /// [count, size]; labels are whole numbers from 0 to `classNames.count` − 1. Throws where a file is
  /// missing or damaged, the two differ in count, a label is out of range, or there are no samples.
  public static func load(
    at folder: String, split: Split, classNames: [String] = (0..<10).map(String.init),
    normalization: Normalization = .unit
  ) throws(DatasetError) -> ByteImages {
    let prefix = split == .train ? "train" : "t10k"
    let imagesPath = try find("\(prefix)-images", "idx3-ubyte", in: folder)
    let labelsPath = try find("\(prefix)-labels", "idx1-ubyte", in: folder)
    let images = try IDXArray(contentsOf: imagesPath)
    guard images.element == .uint8, 2...4 ~= images.shape.count else {
      throw DatasetError(
        at: imagesPath, expected: "images: unsigned bytes in 2 to 4 dimensions",
        found: "\(images.element) in \(images.shape.count) dimensions",
        remedy: "Put the file with the images here.")
    }
    let labels = try IDXArray(contentsOf: labelsPath)
    guard labels.shape.count == 1 else {
      throw DatasetError(
        at: labelsPath, expected: "labels: one dimension", found: "\(labels.shape.count) dimensions",
        remedy: "Put the file with the labels here.")
    }
    guard labels.shape[0] == images.shape[0] else {
      throw DatasetError(
        at: labelsPath, expected: "\(images.shape[0]) labels, one for each image of \(imagesPath)",
        found: "\(labels.shape[0]) labels",
        remedy: "Put files here that belong together.")
    }
    let sample = Array(images.shape.dropFirst())
    return try ByteImages(
      pixels: images.bytes, labels: wholeNumbers(labels, at: labelsPath),
      inputShape: sample.count == 2 ? [1] + sample : sample, classNames: classNames,
      normalization: normalization, place: labels.shape[0] == 0 ? imagesPath : labelsPath)
  }

  private static func wholeNumbers(
    _ labels: IDXArray, at path: String
  ) throws(DatasetError) -> [Int32] {
    if labels.element == .uint8 { return labels.bytes.map(Int32.init) }
    var index = -1
    return try labels.elements { (value) throws(DatasetError) in
      index += 1
      guard let number = Int32(exactly: value) else {
        throw DatasetError(
          at: path, expected: "whole numbers as labels", found: "\(value) as the label of sample \(index)",
          remedy: "Correct the labels.")
      }
      return number
    }
  }

  private static func find(
    _ stem: String, _ ending: String, in folder: String
  ) throws(DatasetError) -> String {
    let names = ["\(stem)-\(ending)", "\(stem).\(ending)"].flatMap { [$0, $0 + ".gz"] }
    for name in names {
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder)
    throw DatasetError(
      at: folder, expected: "a folder with one of the files \(names.joined(separator: ", "))",
      found: !exists ? "nothing" : isFolder.boolValue ? "none of them" : "a file, not a folder",
      remedy: "Give the folder that holds the data: --set data.path=FOLDER.")
  }
}
