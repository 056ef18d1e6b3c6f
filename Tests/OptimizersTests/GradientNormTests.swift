import TensorCore
import Testing

import Optimizers

@Suite struct GradientNormTests {
  private let layout = VectorLayout([("a", [100, 70]), ("b", [33]), ("c", [5000]), ("d", [1])])

  private var gradients: Arena<Float> {
    let arena = Arena<Float>(count: layout.count)
    var stream = RandomStream(seed: 4, purpose: .test)
    for entry in layout.entries { for index in entry.range { arena.base[index] = stream.normal() * 30 } }
    return arena
  }

  private func norm(_ scale: Float) -> Double {
    let gradients = gradients
    return gradients.buffer.reduce(0.0) { sum, value in
      sum + Double(value * scale) * Double(value * scale)
    }.squareRoot()
  }

  @Test func theNormDoesNotDependOnWhoOwnsWhat() {
    let gradients = gradients
    var sums = Set<[UInt64]>()
    var factors = Set<Float>()
    for owners in [1, 2, 3, 5, 9] {
      let norm = GradientNorm(layout)
      for owner in 0..<owners {
        let owned = norm.blocks.count * owner / owners..<norm.blocks.count * (owner + 1) / owners
        guard let first = owned.first.map({ norm.blocks[$0].lowerBound }) else { continue }
        // An owner has its slice alone, wherever it lies in memory.
        let slice = Arena<Float>(count: layout.count - first + 3)
        for index in first..<layout.count { slice.base[index - first + 3] = gradients.base[index] }
        norm.measure(owned, gradients: slice.base + 3, startingAt: first, scale: 0.01)
      }
      sums.insert(norm.sums.buffer.map(\.bitPattern))
      factors.insert(norm.clipFactor(limit: 1))
    }
    #expect(sums.count == 1 && factors.count == 1)
  }

  @Test func longGradientsAreShortenedToTheLimitAndOthersLeftAlone() {
    let gradients = gradients
    let norm = GradientNorm(layout)
    norm.measure(0..<norm.blocks.count, gradients: gradients.base, startingAt: 0, scale: 0.01)
    let length = self.norm(0.01)
    #expect(length > 30)
    for limit in [0.5, 1, length * 0.99] {
      #expect(abs(Double(norm.clipFactor(limit: limit)) - limit / (length + 1e-6)) <= 1e-7 * limit)
    }
    #expect(norm.clipFactor(limit: length * 1.01) == 1)
    #expect(norm.clipFactor(limit: .infinity) == 1)
  }

  @Test func aGradientOfZeroIsLeftAlone() {
    let norm = GradientNorm(layout)
    let zeros = Arena<Float>(count: layout.count)
    norm.measure(0..<norm.blocks.count, gradients: zeros.base, startingAt: 0, scale: 1)
    #expect(norm.clipFactor(limit: 1) == 1)
  }

  @Test func squaresOfLargeGradientsDoNotOverflow() {
    let norm = GradientNorm(layout)
    let large = Arena<Float>(count: layout.count)
    large.base[7] = 3e30
    large.base[9000] = -4e30
    norm.measure(0..<norm.blocks.count, gradients: large.base, startingAt: 0, scale: 1)
    #expect(abs(Double(norm.clipFactor(limit: 5e20)) - 1e-10) < 1e-16)
  }
}
