import Foundation
import TensorCore

/// The image files of one split of a folder, and their classes.
struct ImageFolderListing {
  /// Sorted by class, then by name.
  var paths: [String] = []
  /// Of each path.
  var labels: [Int32] = []
  /// The names of the class folders, sorted.
  var classNames: [String] = []

  private static let endings: Set<String> = ["png", "jpg", "jpeg"]
  /// Images that would be left out by mistake.
  private static let otherEndings: Set<String> = ["gif", "bmp", "tif", "tiff", "webp", "heic", "avif"]
  private static let greatestDepth = 8

  /// Lists `root`'s split: `root/train` or `root/test` (also `root/val`), or `root` itself as the training
  /// split where it has no folder `train` with folders in it.
  ///
  /// Classes are the folders of the training split. Throws where a folder is missing, a class has no image,
  /// there are fewer than two classes, or the test split has a class that the training split lacks.
  init(root: String, split: Split) throws(DatasetError) {
    let place = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
    let isSplit = Self.isSplit(place)
    let training = isSplit ? "\(place)/train" : place
    classNames = try Self.folders(in: training)
    guard classNames.count >= 2 else {
      throw DatasetError(
        at: training, expected: "a folder of images for each of at least two classes",
        found: classNames.isEmpty ? "no folder" : "one folder, \(classNames[0])",
        remedy: "Put the images of each class into a folder that is named like the class.")
    }
    switch split {
    case .train: try add(training, names: classNames, needsAll: true)
    case .test:
      guard isSplit, let test = Self.testFolder(place) else {
        throw DatasetError(
          at: place, expected: "the folders train and test (or val), with the classes' folders in them",
          found: isSplit ? "no test folder" : "no such folders",
          remedy: "Make them, or hold samples out of the training data instead.")
      }
      let names = try Self.folders(in: test)
      let known = Set(classNames)
      if let unknown = names.first(where: { !known.contains($0) }) {
        throw DatasetError(
          at: "\(test)/\(unknown)", expected: "one of the classes of \(training)",
          found: "a class that is not among those \(classNames.count)",
          remedy: "Rename the folder, or give the class samples to train on.")
      }
      try add(test, names: names, needsAll: false)
      guard !paths.isEmpty else {
        throw DatasetError(
          at: test, expected: "images", found: "none",
          remedy: "Put some there, or take the folder away.")
      }
    }
  }

  /// Whether the folder holds a split for training and one for tests, rather than classes.
  static func isSplit(_ root: String) -> Bool {
    guard let inside = try? folders(in: "\(root)/train") else { return false }
    return !inside.isEmpty
  }

  /// The folder of the test split; nil where there is none.
  static func testFolder(_ root: String) -> String? {
    for name in ["test", "val"] {
      var isFolder: ObjCBool = false
      let path = "\(root)/\(name)"
      if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
        return path
      }
    }
    return nil
  }

  private mutating func add(
    _ folder: String, names: [String], needsAll: Bool
  ) throws(DatasetError) {
    for (label, name) in classNames.enumerated() where names.contains(name) {
      var found: [String] = []
      try Self.collect("\(folder)/\(name)", depth: 0, into: &found)
      if needsAll, found.isEmpty {
        throw DatasetError(
          at: "\(folder)/\(name)", expected: "at least one PNG or JPEG image of class \(name)",
          found: "none", remedy: "Put images there, or take the folder away.")
      }
      paths += found
      labels += [Int32](repeating: Int32(label), count: found.count)
    }
  }

  /// Image files of a class, also in folders within it. Hidden files and those that are no images are
  /// passed over.
  private static func collect(
    _ folder: String, depth: Int, into paths: inout [String]
  ) throws(DatasetError) {
    guard depth <= greatestDepth else {
      throw DatasetError(
        at: folder, expected: "folders at most \(greatestDepth) deep", found: "deeper ones",
        remedy: "Look for a link that leads back into its own folder.")
    }
    for (name, isFolder) in try entries(of: folder) {
      let path = "\(folder)/\(name)"
      if isFolder {
        try collect(path, depth: depth + 1, into: &paths)
        continue
      }
      let ending = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
      if endings.contains(ending) { paths.append(path) }
      if otherEndings.contains(ending) {
        throw DatasetError(
          at: path, expected: "PNG or JPEG images", found: "a file of another format",
          remedy: "Convert it, or take it out of the folder.")
      }
    }
  }

  private static func folders(in folder: String) throws(DatasetError) -> [String] {
    try entries(of: folder).filter(\.isFolder).map(\.name)
  }

  /// What a folder holds, without hidden things, sorted by the names' bytes, which is the same everywhere.
  private static func entries(
    of folder: String
  ) throws(DatasetError) -> [(name: String, isFolder: Bool)] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder)
      throw DatasetError(
        at: folder, expected: "a folder that can be read",
        found: !exists ? "nothing" : isFolder.boolValue ? "one that cannot be" : "a file",
        remedy: "Check the path and its permissions.")
    }
    let visible = names.filter { !$0.hasPrefix(".") }
    return visible.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { name in
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder)
      return (name, exists && isFolder.boolValue)
    }
  }
}
