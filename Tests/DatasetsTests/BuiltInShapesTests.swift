import Datasets
import Testing

@Suite struct BuiltInShapesTests {
  private func draw(
    _ count: Int, _ split: Split = .train, seed: UInt64 = 1, threads: Int = 1
  ) throws -> ByteImages {
    try BuiltInShapes.draw(
      split: split, count: count, seed: seed, threads: threads, normalization: .none)
  }

  @Test func theBytesAreTheSameEverywhere() throws {
    // Made by this very code: it must not change unnoticed, nor differ between machines.
    let train = try draw(200).digest()
    #expect(train == "200x3x32x32-10-classes-3bb969f9f83303c3")
    let test = try draw(200, .test).digest()
    #expect(test == "200x3x32x32-10-classes-937aea7f806e2af7")
  }

  @Test func threadsChangeNothing() throws {
    let one = try draw(515).digest()
    #expect(try draw(515, threads: 2).digest() == one)
  }

  @Test func aLongerDataSetBeginsWithTheShorterOne() throws {
    let some = Array(0..<37)
    let short = try draw(37).filled(some)
    let long = try draw(95).filled(some)
    #expect(short.inputs == long.inputs)
    #expect(short.targets == long.targets)
  }

  @Test func everyTenSamplesHoldEveryShapeInChangingOrder() throws {
    let targets = try draw(300).filled(Array(0..<300)).targets
    for ten in 0..<30 { #expect(targets[(10 * ten)..<(10 * ten + 10)].sorted() == (0..<10).map(Double.init)) }
    #expect(Set((0..<30).map { targets[10 * $0] }).count > 4)
  }

  @Test func splitsAndSeedsShareNoSample() throws {
    let some = Array(0..<100)
    var seen: Set<[Float]> = []
    for images in [try draw(100), try draw(100, .test), try draw(100, seed: 2)] {
      let inputs = images.filled(some).inputs
      for sample in some { seen.insert(Array(inputs[3072 * sample..<3072 * sample + 3072])) }
    }
    #expect(seen.count == 300)
  }

  @Test func coloursSayNothingAndShapesAreThere() throws {
    // Each channel's mean is alike for all classes, so that colour does not give the label away, and every
    // image has an edge: neighbours that differ by more than the noise.
    let filled = try draw(1000).filled(Array(0..<1000))
    var means = [[Double]](repeating: [0, 0, 0], count: 10)
    for sample in 0..<1000 {
      var largest: Float = 0
      for channel in 0..<3 {
        let start = 3072 * sample + 1024 * channel
        let plane = filled.inputs[start..<start + 1024]
        means[Int(filled.targets[sample])][channel] += Double(plane.reduce(0, +)) / 1024 / 100
        for row in 0..<32 {
          let line = start + 32 * row
          let left = filled.inputs[line..<line + 32]
          largest = max(largest, (left.max() ?? 0) - (left.min() ?? 0))
        }
      }
      #expect(largest > 90)
    }
    for mean in means { for level in mean { #expect(abs(level - 128) < 31) } }
  }
}
