import Datasets
import Foundation
import Testing

@Suite struct IDXImagesTests {
  private let dataFolder = ProcessInfo.processInfo.environment["LOCKSTEP_DATA"]

  @Test func aFolderGivesImagesAndLabelsOfEachSplit() throws {
    let folder = try TemporaryFolder()
    try folder.write(idx([2, 2, 3], Array(1...12)), to: "train-images-idx3-ubyte")
    try folder.writeGzipped(idx([2], [9, 4]), to: "train-labels-idx1-ubyte.gz")
    try folder.write(idx([1, 2, 3], Array(21...26)), to: "t10k-images.idx3-ubyte")
    try folder.write(idx([1], [7]), to: "t10k-labels.idx1-ubyte")
    let train = try IDXImages.load(at: folder.path, split: .train, normalization: .none)
    #expect(train.count == 2)
    #expect(train.inputShape == [1, 2, 3])
    #expect(train.target == .classes(10))
    #expect(train.classNames == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
    let filled = train.filled([1, 0])
    #expect(filled.inputs == [7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6])
    #expect(filled.targets == [4, 9])
    let test = try IDXImages.load(at: folder.path + "/", split: .test, normalization: .none)
    #expect(test.filled([0]).inputs == [21, 22, 23, 24, 25, 26])
    #expect(test.filled([0]).targets == [7])
  }

  @Test func aMissingFileIsNamedWithItsFolderAndTheRemedy() throws {
    let folder = try TemporaryFolder()
    try folder.write(idx([1, 1, 1], [1]), to: "train-images-idx3-ubyte")
    let error = #expect(throws: DatasetError.self) {
      try IDXImages.load(at: folder.path, split: .train)
    }
    let message = error?.description ?? ""
    #expect(message.contains(folder.path))
    #expect(message.contains("train-labels-idx1-ubyte,"))
    #expect(message.contains("train-labels-idx1-ubyte.gz"))
    #expect(message.contains("--set data.path=FOLDER"))
    #expect(!message.contains("train-images"))
  }

  @Test func countsThatDifferAreRefused() throws {
    let message = try refusal(images: idx([2, 1, 1], [1, 2]), labels: idx([3], [1, 2, 3]))
    #expect(message.contains("2 labels"))
    #expect(message.contains("3 labels"))
  }

  @Test func aLabelOutOfRangeIsNamedWithItsIndex() throws {
    let message = try refusal(images: idx([3, 1, 1], [1, 2, 3]), labels: idx([3], [9, 3, 10]))
    #expect(message.contains("10 as the label of sample 2"))
    #expect(message.contains("labels from 0 to 9"))
    #expect(
      try refusal(images: idx([1, 1, 1], [1]), labels: idx(0x09, [1], [0xFF]))
        .contains("-1 as the label of sample 0"))
  }

  @Test func filesWithoutSamplesAreRefused() throws {
    #expect(
      try refusal(images: idx([0, 28, 28], []), labels: idx([0], [])).contains("0 images"))
    #expect(
      try refusal(images: idx([1, 0, 28], []), labels: idx([1], [3])).contains("[1, 0, 28]"))
  }

  @Test func filesOfTheWrongKindAreRefused() throws {
    let images = idx([1, 1, 1], [1])
    let labels = idx([1], [1])
    #expect(try refusal(images: labels, labels: labels).contains("train-images"))
    #expect(try refusal(images: images, labels: images).contains("train-labels"))
    #expect(
      try refusal(images: idx(0x0D, [1, 1, 1], [0, 0, 0, 0]), labels: labels).contains("float32"))
    #expect(
      try refusal(images: images, labels: idx(0x0D, [1], [0x3F, 0xC0, 0, 0])).contains("1.5"))
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["LOCKSTEP_DATA"] != nil))
  func mnistHasItsKnownCountsAndStatistics() throws {
    let folder = try #require(dataFolder) + "/mnist"
    let train = try IDXImages.load(at: folder, split: .train)
    let test = try IDXImages.load(at: folder, split: .test)
    #expect(train.count == 60_000)
    #expect(test.count == 10_000)
    #expect(train.filled(Array(0..<5)).targets == [5, 0, 4, 1, 9])
    #expect(test.filled(Array(0..<5)).targets == [7, 2, 1, 0, 4])
    // The two numbers that everybody's MNIST example normalizes with.
    let normalization = train.standardNormalization()
    #expect(abs(normalization.mean[0] - 0.1307) < 5e-5)
    #expect(abs(normalization.standardDeviation[0] - 0.3081) < 5e-5)
  }

  /// What is said about a train split of two such files.
  private func refusal(images: [UInt8], labels: [UInt8]) throws -> String {
    let folder = try TemporaryFolder()
    try folder.write(images, to: "train-images-idx3-ubyte")
    try folder.write(labels, to: "train-labels-idx1-ubyte")
    let error = #expect(throws: DatasetError.self) {
      try IDXImages.load(at: folder.path, split: .train)
    }
    return error?.description ?? ""
  }
}
