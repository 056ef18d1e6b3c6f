import Testing

import TensorCore

@Suite struct RandomStreamTests {
  /// Known answers of Random123's `kat_vectors` for philox4x32 with ten rounds.
  @Test func philoxGivesThePublishedKnownAnswers() {
    let zeros = RandomStream.philox(counter: (0, 0, 0, 0), key: (0, 0))
    #expect(zeros == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones = RandomStream.philox(counter: (.max, .max, .max, .max), key: (.max, .max))
    #expect(ones == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
  }

  @Test func streamsThatDifferInAnyOnePartDiffer() {
    let streams = [
      RandomStream(seed: 1, purpose: .test), RandomStream(seed: 2, purpose: .test),
      RandomStream(seed: 1, purpose: .dropout), RandomStream(seed: 1, purpose: .test, step: 1),
      RandomStream(seed: 1, purpose: .test, sample: 1), RandomStream(seed: 1, purpose: .test, layer: 1),
    ]
    let firsts = streams.map { stream in
      var stream = stream
      return [stream.next(), stream.next()]
    }
    #expect(Set(firsts).count == streams.count)
  }

  @Test func uniformNormalAndIntegerHaveTheirMoments() {
    var stream = RandomStream(seed: 7, purpose: .test)
    let count = 100_000
    var sums = (uniform: 0.0, normal: 0.0, squares: 0.0)
    var histogram = [Int](repeating: 0, count: 7)
    for _ in 0..<count {
      let uniform = stream.uniform()
      #expect(uniform >= 0 && uniform < 1)
      sums.uniform += Double(uniform)
      let normal = Double(stream.normal())
      sums.normal += normal
      sums.squares += normal * normal
      histogram[stream.integer(below: 7)] += 1
    }
    #expect(abs(sums.uniform / Double(count) - 0.5) < 0.004)
    #expect(abs(sums.normal / Double(count)) < 0.013)
    #expect(abs(sums.squares / Double(count) - 1) < 0.02)
    for bin in histogram { #expect(abs(Double(bin) - Double(count) / 7) < 500) }
  }
}
