import Datasets
import Testing

@Suite struct DatasetTests {
  @Test func samplesComeInTheOrderAskedFor() throws {
    let filled = try numbered(10).filled([9, 0, 9])
    #expect(filled.inputs == [90, 91, 92, 0, 1, 2, 90, 91, 92])
    #expect(filled.targets == [2, 0, 2])
  }

  @Test func valuesAreTargetsToo() throws {
    let data = try TensorDataset(
      inputs: [1, 2, 3], inputShape: [1], values: [10, 11, 20, 21, 30, 31], valuesPerSample: 2)
    #expect(data.count == 3)
    #expect(data.target == .values(2))
    #expect(data.classNames.isEmpty)
    #expect(data.filled([2, 0]).inputs == [3, 1])
    #expect(data.filled([2, 0]).targets == [30, 31, 10, 11])
  }

  @Test func dataThatDoNotFitTogetherAreRefused() throws {
    #expect(throws: DatasetError.self) {
      try TensorDataset(inputs: [1, 2, 3], inputShape: [2], labels: [0, 1], classes: 2)
    }
    #expect(throws: DatasetError.self) {
      try TensorDataset(inputs: [], inputShape: [2], labels: [], classes: 2)
    }
    let error = #expect(throws: DatasetError.self) {
      try TensorDataset(inputs: [1, 2, 3], inputShape: [1], labels: [0, 2, 1], classes: 2)
    }
    #expect(error?.description.contains("2 as the label of sample 1") == true)
  }

  @Test func aSubsetGivesTheSamplesOfItsIndices() throws {
    let base = try numbered(1000)
    let indices = (0..<500).map { $0 * 7 % 1000 }
    let subset = Subset(of: base, indices: indices)
    #expect(subset.count == 500)
    // More than one pass of the translation, and a rest.
    let asked = (0..<300).map { ($0 * 13 + 5) % 500 }
    let filled = subset.filled(asked)
    let expected = base.filled(asked.map { indices[$0] })
    #expect(filled.inputs == expected.inputs)
    #expect(filled.targets == expected.targets)
  }

  @Test func aSubsetOfValuesKeepsRowsTogether() throws {
    let base = try TensorDataset(
      inputs: (0..<200).map(Float.init), inputShape: [1], values: (0..<600).map(Float.init),
      valuesPerSample: 3)
    let filled = Subset(of: base, indices: (0..<200).reversed()).filled(Array(0..<200))
    var expected: [Double] = []
    for sample in (0..<200).reversed() {
      for offset in 0..<3 { expected.append(Double(3 * sample + offset)) }
    }
    #expect(filled.targets == expected)
  }

  @Test(arguments: [HoldOut.random(seed: 3), .last])
  func holdingOutSplitsTheSamplesInTwo(_ choice: HoldOut) throws {
    let parts = try numbered(50).holdOut(fraction: 0.2, choice)
    func samples(_ subset: Subset) -> [Int] {
      let inputs = subset.filled(Array(0..<subset.count)).inputs
      return stride(from: 0, to: inputs.count, by: 3).map { Int(inputs[$0]) / 10 }
    }
    let training = samples(parts.training)
    let validation = samples(parts.validation)
    #expect(validation.count == 10)
    #expect((training + validation).sorted() == Array(0..<50))
    #expect(validation == validation.sorted())
    #expect((validation == Array(40..<50)) == (choice == .last))
    let again = try numbered(50).holdOut(fraction: 0.2, choice)
    #expect(samples(again.validation) == validation)
  }

  @Test func anotherSeedHoldsOutOtherSamples() throws {
    let one = try numbered(50).holdOut(fraction: 0.2, .random(seed: 1)).validation
    let two = try numbered(50).holdOut(fraction: 0.2, .random(seed: 2)).validation
    #expect(one.digest() != two.digest())
  }

  @Test func holdingOutNothingOrEverythingIsRefused() throws {
    for fraction in [0, 0.001, 0.999, 1, -0.5, 1.5, .nan, .infinity] {
      #expect(throws: DatasetError.self) { try numbered(50).holdOut(fraction: fraction, .last) }
    }
  }

  @Test func aDigestDiffersWhereAnythingDiffers() throws {
    func images(_ pixels: [UInt8], _ labels: [Int32], _ shape: [Int], _ classes: Int) throws -> String {
      try ByteImages(
        pixels: pixels, labels: labels, inputShape: shape, classNames: (0..<classes).map(String.init)
      ).digest()
    }
    let digests = [
      try images([1, 2, 3, 4], [0, 1], [2], 2), try images([1, 2, 3, 5], [0, 1], [2], 2),
      try images([2, 1, 3, 4], [0, 1], [2], 2), try images([1, 2, 3, 4], [1, 0], [2], 2),
      try images([1, 2, 3, 4], [0, 1], [1, 2, 1], 2), try images([1, 2, 3, 4], [0, 1], [2], 3),
      try numbered(4).digest(), try numbered(5).digest(),
      Subset(of: try numbered(5), indices: [0, 1, 2, 3]).digest(),
      Subset(of: try numbered(5), indices: [0, 1, 3, 2]).digest(),
    ]
    #expect(Set(digests).count == digests.count)
    #expect(try numbered(5).digest() == numbered(5).digest())
    #expect(digests[0].hasPrefix("2x2-2-classes-"))
  }

  @Test func aHashChangesWithEveryBitAndWithTheLength() {
    let bytes = (0..<101).map { UInt8($0 * 37 % 256) }
    func hash(_ bytes: [UInt8]) -> String {
      var hash = ContentHash()
      hash.add(bytes)
      return hash.text
    }
    var seen: Set = [hash(bytes)]
    for bit in 0..<8 * bytes.count {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      seen.insert(hash(changed))
    }
    // Zeros in front, behind, and nothing at all.
    for count in 0..<70 { seen.insert(hash([UInt8](repeating: 0, count: count))) }
    #expect(seen.count == 1 + 8 * 101 + 70)
    // The highest bits of two words that fall to the same lane.
    var twice = bytes
    twice[7] ^= 0x80
    twice[39] ^= 0x80
    #expect(!seen.contains(hash(twice)))
  }
}
