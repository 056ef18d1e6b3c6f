/// What a parameter's values are drawn from before training.
public enum Distribution: Sendable, Equatable {
  case constant(Float)
  /// Uniform in [lower, upper).
  case uniform(lower: Float, upper: Float)
  case normal(mean: Float, standardDeviation: Float)

  /// Fills `memory` with the values of the parameter called `name`. They depend on the seed and the name
  /// alone, so that a parameter's values don't change when another is added.
  package func fill(_ memory: UnsafeMutableBufferPointer<Float>, seed: UInt64, name: String) {
    var stream = RandomStream(seed: seed, purpose: .initialValues, layer: Self.hash(name))
    for index in memory.indices {
      switch self {
      case .constant(let value): memory[index] = value
      case .uniform(let lower, let upper): memory[index] = stream.uniform(lower, upper)
      case .normal(let mean, let standardDeviation):
        memory[index] = mean + standardDeviation * stream.normal()
      }
    }
  }

  /// FNV-1a: the same in every process, which Swift's own hashes are not.
  private static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
