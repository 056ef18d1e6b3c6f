import Foundation
import TensorCore

/// Samples in NPY files: an array of inputs, and one of labels or of values.
public enum NPYFiles {
  /// Whether a folder has samples for tests of its own.
  public static func hasTestSplit(at folder: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(folder)/test_inputs.npy")
  }

  /// Reads a split from a folder: `train_inputs.npy` with `train_labels.npy` or `train_values.npy` and, if
  /// there is one, `train_weights.npy`; or the same that begin with `test`. Throws as `load(inputs:…)` does,
  /// and where files are missing.
  public static func load(
    at folder: String, split: Split, classes: Int? = nil
  ) throws(DatasetError) -> any NormalizableDataset {
    func path(_ name: String) -> String? {
      let path = "\(folder)/\(split.rawValue)_\(name).npy"
      return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    let (labels, values) = (path("labels"), path("values"))
    guard let inputs = path("inputs"), (labels == nil) != (values == nil) else {
      let prefix = "\(split.rawValue)_"
      throw DatasetError(
        at: folder,
        expected: "a folder with \(prefix)inputs.npy and one of \(prefix)labels.npy and \(prefix)values.npy",
        found: path("inputs") == nil
          ? "no \(prefix)inputs.npy" : labels == nil ? "neither of the two" : "both of the two",
        remedy: "Give the folder that holds the data: --set data.path=FOLDER.")
    }
    return try load(
      inputs: inputs, labels: labels, values: values, weights: path("weights"), classes: classes)
  }

  /// Reads inputs, [samples, …], and for each sample a class (`labels`, [samples], whole numbers from 0) or
  /// some numbers (`values`, [samples] or [samples, numbers]): exactly one of the two is given. `weights`,
  /// [samples], says how much each sample counts.
  ///
  /// Inputs that are bytes in three or four dimensions, [samples, height, width] or [samples, channels,
  /// height, width], with labels and without weights, are images; everything else becomes floats. Without
  /// `classes` there are as many as the greatest label says, and each must have a sample.
  ///
  /// Throws where a file is damaged or of a type that is not read, the arrays differ in length, a label is
  /// out of range, or a number is not finite.
  public static func load(
    inputs inputsPath: String, labels labelsPath: String? = nil, values valuesPath: String? = nil,
    weights weightsPath: String? = nil, classes: Int? = nil
  ) throws(DatasetError) -> any NormalizableDataset {
    precondition((labelsPath == nil) != (valuesPath == nil), "either labels or values")
    let inputs = try NPYArray(contentsOf: inputsPath)
    guard inputs.shape.count >= 2, inputs.count > 0 else {
      throw DatasetError(
        at: inputsPath, expected: "inputs: samples, and at least one number for each",
        found: "an array of shape \(inputs.shape)", remedy: "Save an array of shape [samples, …].")
    }
    let count = inputs.shape[0]
    let weights = try weightsPath.map { (path) throws(DatasetError) in
      try finite(array(path, count: count, of: inputsPath, rank: 1...1))
    }
    let shape = Array(inputs.shape.dropFirst())
    if let labelsPath {
      let array = try array(labelsPath, count: count, of: inputsPath, rank: 1...1)
      let (labels, names) = try Self.labels(array, classes: classes)
      if inputs.element == .uint8, 2...3 ~= shape.count, weights == nil {
        return try ByteImages(
          pixels: inputs.bytes, labels: labels, inputShape: imageShape(shape, inputsPath),
          classNames: names, place: inputsPath)
      }
      return try TensorDataset(
        inputs: stored(inputs), inputShape: shape, labels: StoredNumbers(labels), classNames: names,
        weights: StoredNumbers(weights ?? []), place: inputsPath)
    }
    let values = try array(valuesPath ?? "", count: count, of: inputsPath, rank: 1...2)
    return try TensorDataset(
      inputs: stored(inputs), inputShape: shape, values: StoredNumbers(finite(values)),
      valuesPerSample: values.shape.count == 1 ? 1 : values.shape[1],
      weights: StoredNumbers(weights ?? []), place: inputsPath)
  }

  /// An array with an element or a row for each sample.
  private static func array(
    _ path: String, count: Int, of inputs: String, rank: ClosedRange<Int>
  ) throws(DatasetError) -> NPYArray {
    let array = try NPYArray(contentsOf: path)
    guard rank ~= array.shape.count, array.shape[0] == count, array.count > 0 else {
      throw DatasetError(
        at: path,
        expected: "an array of shape [\(count)\(rank.upperBound > 1 ? "] or [\(count), numbers" : "")], for "
          + "the samples of \(inputs)",
        found: "shape \(array.shape)", remedy: "Save arrays that belong together.")
    }
    return array
  }

  /// Numbers of one or two bytes stay as they are.
  private static func stored(_ array: NPYArray) throws(DatasetError) -> StoredInputs {
    guard array.element.size <= 2 else { return StoredInputs(StoredNumbers(try finite(array))) }
    if array.element == .float16 {
      let wrong = array.bytes.withUnsafeBytes { bytes in
        // All exponents that are the greatest stand for infinity or no number.
        (0..<array.count).first {
          bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self) & 0x7C00 == 0x7C00
        }
      }
      if let wrong {
        let half = array.bytes.withUnsafeBytes {
          $0.loadUnaligned(fromByteOffset: 2 * wrong, as: UInt16.self)
        }
        throw notFinite(NPYArray.float(half: half), at: wrong, in: array)
      }
    }
    return StoredInputs(StoredNumbers(array.bytes), of: array.element)
  }

  private static func finite(_ array: NPYArray) throws(DatasetError) -> [Float] {
    let floats = array.floats()
    if array.element.isFloat, let wrong = floats.firstIndex(where: { !$0.isFinite }) {
      throw notFinite(floats[wrong], at: wrong, in: array)
    }
    return floats
  }

  private static func notFinite(_ number: Float, at index: Int, in array: NPYArray) -> DatasetError {
    DatasetError(
      at: array.path, expected: "finite numbers in the range of 32-bit floats",
      found: "\(number) as element \(index) in C order", remedy: "Replace it, or leave the sample out.")
  }

  /// Each has a name, which takes more than a label of the file does.
  private static let mostClasses = 1_000_000

  private static func labels(
    _ array: NPYArray, classes: Int?
  ) throws(DatasetError) -> ([Int32], names: [String]) {
    let (labels, noNumber) = array.wholeNumbers()
    let limit = classes ?? mostClasses
    if let wrong = labels.firstIndex(where: { $0 < 0 || $0 >= limit }) ?? noNumber {
      throw DatasetError(
        at: array.path, expected: "whole numbers from 0 to \(limit - 1) as labels",
        found:
          "\(wrong < labels.count ? "\(labels[wrong])" : "another number") as the label of sample \(wrong)",
        remedy: classes == nil
          ? "Correct the label." : "Correct the label, or give its class samples to train on.")
    }
    let count = classes ?? Int(labels.max() ?? 0) + 1
    if classes == nil {
      var isPresent = [Bool](repeating: false, count: count)
      for label in labels { isPresent[Int(label)] = true }
      let missing = isPresent.firstIndex(of: false)
      guard count >= 2, missing == nil else {
        throw DatasetError(
          at: array.path, expected: "labels from 0 on, at least two classes and samples for each",
          found: missing.map { "labels up to \(count - 1), but no sample of class \($0)" } ?? "one class",
          remedy: "Number the classes from 0 without gaps.")
      }
    }
    let names = (0..<count).map(String.init)
    return (labels, names)
  }

  private static func imageShape(_ shape: [Int], _ path: String) throws(DatasetError) -> [Int] {
    if shape.count == 2 { return [1] + shape }
    if shape[0] > 4, shape[2] <= 4 {
      throw DatasetError(
        at: path, expected: "images as [samples, channels, height, width]",
        found: "[samples, \(shape[0]), \(shape[1]), \(shape[2])], with the channels last",
        remedy: "Save array.transpose(0, 3, 1, 2).")
    }
    return shape
  }
}
