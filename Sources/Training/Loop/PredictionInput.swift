import Datasets
import Foundation

/// What somebody wants a prediction for, read into the form that a model was trained with.
struct PredictionInput {
  let form: SampleForm
  let configuration: RunConfiguration
  let normalization: Normalization
  let classNames: [String]

  func read(_ path: String) throws -> (data: any Dataset, names: [String]) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DatasetError(
        at: path, expected: "a file or a folder", found: "nothing of this name", remedy: "Check the path.")
    }
    if isFolder.boolValue { return try imageFiles(Self.imagePaths(in: path)) }
    switch (path as NSString).pathExtension.lowercased() {
    case "png", "jpg", "jpeg": return try imageFiles([path])
    case "csv": return try table(path)
    default: return try indexed(path)
    }
  }

  private static func imagePaths(in folder: String) throws(DatasetError) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let images = names.filter {
      ["png", "jpg", "jpeg"].contains(($0 as NSString).pathExtension.lowercased())
    }
    guard !images.isEmpty else {
      throw DatasetError(
        at: folder, expected: "a folder with PNG or JPEG images",
        found: "none among \(names.count) entries",
        remedy: "Name a folder that holds the images themselves.")
    }
    return images.sorted().map { "\(folder)/\($0)" }
  }

  private func imageFiles(_ paths: [String]) throws -> (data: any Dataset, names: [String]) {
    guard form.inputShape.count == 3 else {
      throw DatasetError(
        at: paths[0], expected: "samples of shape \(form.inputShape), as the model was trained with",
        found: "an image", remedy: "Give data like those of the training.")
    }
    let image = ImageForm(
      height: form.inputShape[1], width: form.inputShape[2], channels: form.inputShape[0],
      fit: configuration.data.fit)
    var pixels: [UInt8] = []
    for path in paths { pixels += try ImageFolder.pixels(of: path, form: image) }
    return (try unlabelled(pixels, count: paths.count, place: paths[0]), paths)
  }

  private func indexed(_ path: String) throws -> (data: any Dataset, names: [String]) {
    let array = try IDXArray(contentsOf: path)
    guard array.shape.count >= 2, let count = array.shape.first, count > 0, array.element == .uint8 else {
      throw DatasetError(
        at: path, expected: "images: bytes in at least two dimensions, the first counting them",
        found: "\(array.element) in the shape \(array.shape)",
        remedy: "Name the file of images, not that of labels.")
    }
    let size = array.bytes.count / count
    guard size == form.inputSize else {
      throw DatasetError(
        at: path, expected: "samples of \(form.inputSize) values, as the model was trained with",
        found: "samples of \(array.shape.dropFirst().map(String.init).joined(separator: "×")) = \(size)",
        remedy: "Give data like those of the training, or use the model that belongs to these.")
    }
    return (try unlabelled(array.bytes, count: count, place: path), (0..<count).map(String.init))
  }

  private func unlabelled(
    _ pixels: [UInt8], count: Int, place: String
  ) throws(DatasetError) -> ByteImages {
    let shape = form.inputShape.count == 3 ? form.inputShape : [1, 1, form.inputSize]
    return try ByteImages(
      pixels: pixels, labels: [Int32](repeating: 0, count: count), inputShape: shape,
      classNames: classNames, normalization: normalization)
  }

  private func table(_ path: String) throws -> (data: any Dataset, names: [String]) {
    guard let columns = form.columns else {
      throw DatasetError(
        at: path, expected: "data like those of the training, \(configuration.data.name.rawValue)",
        found: "a table", remedy: "Name a file of the kind that the model was trained with.")
    }
    let table = try CSVTable.loadInputs(
      at: path, named: columns, hasHeader: configuration.data.table.header)
    return (try table.normalized(by: normalization), (0..<table.count).map { "\($0 + 1)" })
  }
}
