import Datasets
import Testing

@Suite struct BuiltInDigitsTests {
  private func draw(
    _ count: Int, _ split: Split = .train, seed: UInt64 = 1, threads: Int = 1
  ) throws -> ByteImages {
    try BuiltInDigits.draw(
      split: split, count: count, seed: seed, threads: threads, normalization: .none)
  }

  @Test func theBytesAreTheSameEverywhere() throws {
    // Made by this very code: it must not change unnoticed, nor differ between machines.
    let train = try draw(200).digest()
    #expect(train == "200x1x28x28-10-classes-4512241e4e4c0c62")
    let test = try draw(200, .test).digest()
    #expect(test == "200x1x28x28-10-classes-eb78ac9959253266")
  }

  @Test func threadsChangeNothing() throws {
    let one = try draw(1003)
    for threads in [2, 3, 7] { #expect(try draw(1003, threads: threads).digest() == one.digest()) }
  }

  @Test func aLongerDataSetBeginsWithTheShorterOne() throws {
    let some = Array(0..<37)
    let short = try draw(37).filled(some)
    let long = try draw(95).filled(some)
    #expect(short.inputs == long.inputs)
    #expect(short.targets == long.targets)
  }

  @Test func everyTenSamplesHoldEveryDigit() throws {
    let targets = try draw(500).filled(Array(0..<500)).targets
    for ten in 0..<50 {
      let digits = targets[(10 * ten)..<(10 * ten + 10)].map { Int($0) }
      #expect(digits.sorted() == Array(0..<10))
    }
    // In changing order, or position would give the label away.
    #expect(Set((0..<50).map { targets[10 * $0] }).count > 5)
  }

  @Test func splitsAndSeedsShareNoSample() throws {
    let some = Array(0..<300)
    var seen: Set<[Float]> = []
    for images in [try draw(300), try draw(300, .test), try draw(300, seed: 2)] {
      let inputs = images.filled(some).inputs
      for sample in some { seen.insert(Array(inputs[784 * sample..<784 * sample + 784])) }
    }
    #expect(seen.count == 900)
  }

  @Test func digitsAreBrightOnDarkAndWithinTheImage() throws {
    let inputs = try draw(500).filled(Array(0..<500)).inputs
    for sample in 0..<500 {
      let pixels = Array(inputs[(784 * sample)..<(784 * sample + 784)])
      #expect(pixels.max() ?? 0 > 120)
      let bright = pixels.count { $0 > 80 }
      #expect(bright > 15 && bright < 350)
      var edge = 0
      for place in 0..<28 {
        for pixel in [place, 756 + place, 28 * place, 28 * place + 27] where pixels[pixel] > 80 {
          edge += 1
        }
      }
      #expect(edge <= 14)
    }
  }

  @Test func labelsSayWhatIsDrawn() throws {
    // The nearest class mean, a weak classifier, is right far more often than one time in ten.
    let train = try draw(2000).filled(Array(0..<2000))
    var means = [[Float]](repeating: [Float](repeating: 0, count: 784), count: 10)
    for sample in 0..<2000 {
      let label = Int(train.targets[sample])
      for pixel in 0..<784 { means[label][pixel] += train.inputs[784 * sample + pixel] / 200 }
    }
    let test = try draw(500, .test).filled(Array(0..<500))
    var right = 0
    for sample in 0..<500 {
      let distances = means.map { mean in
        (0..<784).reduce(Float(0)) { sum, pixel in
          let difference = test.inputs[784 * sample + pixel] - mean[pixel]
          return sum + difference * difference
        }
      }
      if distances.firstIndex(of: distances.min() ?? 0) == Int(test.targets[sample]) { right += 1 }
    }
    #expect(right > 300)
  }
}
