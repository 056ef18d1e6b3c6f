import Datasets
import Foundation
import TensorCore
import Testing

@Suite struct FoldTests {
  /// Samples whose one number is their own, of classes in the given numbers.
  private func data(_ classCounts: [Int]) throws -> TensorDataset {
    let labels = classCounts.enumerated().flatMap { Array(repeating: Int32($0.offset), count: $0.element) }
    return try TensorDataset(
      inputs: labels.indices.map { Float($0) }, inputShape: [1], labels: labels, classes: classCounts.count)
  }

  @Test(arguments: [(10, 2), (10, 3), (11, 5), (103, 10), (7, 7)], [false, true])
  func foldsAreDisjointCompleteAndOfEqualSize(_ sizes: (samples: Int, folds: Int), isStratified: Bool) throws
  {
    let data = try data([sizes.samples / 3, sizes.samples - sizes.samples / 3])
    var seen: [Int] = []
    var counts: [Int] = []
    for index in 0..<sizes.folds {
      let fold = Fold(index, of: sizes.folds, isStratified: isStratified)
      let (training, validation) = try data.hold(fold, seed: 3)
      #expect(validation.indices == validation.indices.sorted())
      #expect(training.indices == (0..<sizes.samples).filter { !validation.indices.contains($0) })
      seen += validation.indices
      counts.append(validation.count)
    }
    #expect(seen.sorted() == Array(0..<sizes.samples))
    let (most, least) = (try #require(counts.max()), try #require(counts.min()))
    #expect(most - least <= 1, "\(counts)")
  }

  @Test func strataHoldEveryClassEvenly() throws {
    let classes = [41, 3, 17, 5, 34]
    let data = try data(classes)
    var perFold: [[Int]] = []
    for index in 0..<4 {
      let (_, validation) = try data.hold(Fold(index, of: 4, isStratified: true), seed: 0)
      var counts = [Int](repeating: 0, count: classes.count)
      for label in validation.filled(Array(0..<validation.count)).targets { counts[Int(label)] += 1 }
      perFold.append(counts)
    }
    for (label, count) in classes.enumerated() {
      let counts = perFold.map { $0[label] }
      #expect(counts.reduce(0, +) == count)
      #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "class \(label): \(counts)")
    }
  }

  /// By chance alone a class of few does not come out even, or it would not be by chance.
  @Test func withoutStrataClassesFallAsTheyWill() throws {
    let data = try data([50, 50])
    let counts = try (0..<5).map { index in
      let (_, validation) = try data.hold(Fold(index, of: 5), seed: 1)
      return validation.indices.count { $0 < 50 }
    }
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) > 1, "\(counts)")
  }

  @Test(arguments: [false, true]) func foldsFollowFromTheSeed(isStratified: Bool) throws {
    let data = try data([60, 60])
    func indices(seed: UInt64) throws -> [Int] {
      try data.hold(Fold(1, of: 4, isStratified: isStratified), seed: seed).validation.indices
    }
    #expect(try indices(seed: 5) == indices(seed: 5))
    #expect(try indices(seed: 5) != indices(seed: 6))
    // What is held out by a fraction, and the epochs' order, are other draws.
    #expect(
      try indices(seed: 5) != data.holdOut(fraction: 0.25, .random(seed: 5)).validation.indices)
  }

  @Test func whatCannotBeDealtIsRefused() throws {
    let tooMany = try #require(throws: DatasetError.self) {
      try data([2, 2]).hold(Fold(0, of: 5), seed: 0)
    }
    #expect(tooMany.diagnosis.place == "validation.folds" && tooMany.diagnosis.found == "5")
    let values = try TensorDataset(inputs: [1, 2, 3, 4], inputShape: [1], values: [1, 2, 3, 4])
    #expect(try values.hold(Fold(0, of: 2), seed: 0).validation.count == 2)
    let error = try #require(throws: DatasetError.self) {
      try values.hold(Fold(0, of: 2, isStratified: true), seed: 0)
    }
    #expect(error.diagnosis.place == "validation.stratified")
  }
}

/// Folds of a text.
@Suite struct TextFoldTests {
  private func tokens(of windows: any Dataset) -> [ClosedRange<Int>] {
    let size = windows.count * windows.inputSize
    var inputs = [Float](repeating: -1, count: size)
    var labels = [Int32](repeating: -1, count: size)
    inputs.withUnsafeMutableBufferPointer { inputs in
      labels.withUnsafeMutableBufferPointer { labels in
        Array(0..<windows.count).withUnsafeBufferPointer { samples in
          guard let inputs = inputs.baseAddress, let labels = labels.baseAddress else { return }
          windows.fill(samples, epoch: 0, inputs: inputs, targets: .labels(labels))
        }
      }
    }
    return (0..<windows.count).map { row in
      let start = row * windows.inputSize
      return Int(inputs[start])...Int(labels[start + windows.inputSize - 1])
    }
  }

  /// Token i is i, so that a window says where it lies.
  @Test(arguments: [1, 3], [2, 3, 7])
  func blocksFollowEachOtherAndNoWindowOfTheTrainingReachesIntoOne(stride: Int, folds: Int) throws {
    let count = 143
    let windows = try TextWindows(
      (0..<count).map(Int32.init), vocabularySize: count, context: 4, stride: stride)
    for index in 0..<folds {
      let block = count * index / folds..<count * (index + 1) / folds
      let (training, validation) = try windows.hold(Fold(index, of: folds))
      let outside = tokens(of: training)
      #expect(outside.allSatisfy { $0.upperBound < block.lowerBound || $0.lowerBound >= block.upperBound })
      // All that lie outside are there.
      let expected = (0..<windows.count).map { $0 * stride }
        .filter { $0 + 4 < block.lowerBound || $0 >= block.upperBound }
      #expect(outside.map(\.lowerBound) == expected)
      // Kept as two ranges, and told from other data as ever.
      let listed = Subset(of: windows, indices: expected.map { $0 / stride })
      #expect(training.indices == listed.indices && training.count == listed.count)
      #expect(training.digest() == listed.digest())

      let held = tokens(of: validation)
      let told = held.flatMap { Array($0.lowerBound + 1...$0.upperBound) }
      let first = max(block.lowerBound, 1)
      #expect(told == Array(first..<first + told.count), "each token is told once")
      #expect(told.count > block.count - 5 && first + told.count <= block.upperBound, "fold \(index)")
    }
  }

  @Test func aTextThatIsTooShortForTheFoldsIsRefused() throws {
    let windows = try TextWindows((0..<20).map(Int32.init), vocabularySize: 20, context: 4)
    let error = try #require(throws: DatasetError.self) { try windows.hold(Fold(0, of: 6), at: "a.txt") }
    #expect(error.diagnosis.place == "a.txt" && error.diagnosis.expected.hasPrefix("6 blocks"), "\(error)")
  }
}
