import TensorCore
import Testing

@Suite struct DistributionTests {
  private func values(
    _ distribution: Distribution, _ count: Int, seed: UInt64 = 3, name: String = "a.weight"
  ) -> [Float] {
    let arena = Arena<Float>(count: count)
    distribution.fill(arena.buffer, seed: seed, name: name)
    return Array(arena.buffer)
  }

  private func moments(_ values: [Float]) -> (mean: Double, deviation: Double) {
    let mean = values.doubles.reduce(0, +) / Double(values.count)
    let variance = values.doubles.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    return (mean, variance.squareRoot())
  }

  @Test func aConstantFillsEverything() {
    #expect(values(.constant(1.5), 33) == [Float](repeating: 1.5, count: 33))
  }

  @Test func uniformValuesFillTheirRangeEvenly() {
    let drawn = values(.uniform(lower: -1, upper: 3), 100_000)
    #expect(drawn.allSatisfy { $0 >= -1 && $0 < 3 })
    #expect((drawn.min() ?? 0) < -0.999 && (drawn.max() ?? 0) > 2.999)
    // Five standard errors: 5 · (4/√12) / √100000.
    let (mean, deviation) = moments(drawn)
    #expect(abs(mean - 1) < 0.019)
    #expect(abs(deviation - 4 / 12.0.squareRoot()) < 0.01)
    for quarter in 0..<4 {
      let share = drawn.count { $0 >= Float(quarter - 1) && $0 < Float(quarter) }
      #expect(abs(Double(share) - 25_000) < 700)
    }
  }

  @Test func normalValuesHaveTheirMomentsAndTails() {
    let drawn = values(.normal(mean: 2, standardDeviation: 0.5), 100_000)
    let (mean, deviation) = moments(drawn)
    #expect(abs(mean - 2) < 0.008)
    #expect(abs(deviation - 0.5) < 0.006)
    // 4.55 % of a normal distribution lie beyond two deviations; five standard errors of the count are 330.
    #expect(abs(Double(drawn.count { abs($0 - 2) > 1 }) - 4550) < 330)
  }

  @Test func valuesDependOnTheSeedAndTheNameOnly() {
    let distribution = Distribution.normal(mean: 0, standardDeviation: 1)
    let first = values(distribution, 100)
    #expect(values(distribution, 100) == first)
    // A larger tensor of the same name begins with the same values: nothing else enters.
    #expect(Array(values(distribution, 200).prefix(100)) == first)
    let others = [
      first, values(distribution, 100, seed: 4), values(distribution, 100, name: "a.bias"),
      values(distribution, 100, name: "b.weight"), values(distribution, 100, name: ""),
    ]
    #expect(Set(others).count == others.count)
    for (index, other) in others.enumerated().dropFirst() {
      let same = zip(first, other).count { $0 == $1 }
      #expect(same < 2, "stream \(index)")
    }
  }
}
