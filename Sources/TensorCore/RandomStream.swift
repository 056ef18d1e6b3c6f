import Foundation

/// Random numbers that depend only on what they are for.
///
/// A stream is named by (seed, purpose, step, sample, layer) and is the same wherever and whenever it is
/// drawn, so that nothing random depends on the number of ranks or on the order of work. The generator is
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a bijection of a
/// 128-bit counter under a 64-bit key. Seed, purpose, step and layer are hashed into the key; the counter
/// holds the sample and the position in the stream.
public struct RandomStream: Sendable {
  /// What a stream is for; streams of different purposes are independent. Raw values are part of the
  /// promise that a seed means the same run tomorrow: add, never renumber.
  public enum Purpose: UInt64, Sendable {
    case initialValues = 1
    case epochOrder = 2
    case augmentation = 3
    case dropout = 4
    case builtInData = 5
    case test = 6
    case generation = 7
    case trials = 8
  }

  private let key: (UInt32, UInt32)
  private let sample: UInt64
  private var block: UInt64 = 0
  private var buffer: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
  private var taken = 4

  public init(seed: UInt64, purpose: Purpose, step: UInt64 = 0, sample: UInt64 = 0, layer: UInt64 = 0) {
    key = Self.key(seed: seed, purpose: purpose, step: step, layer: layer)
    self.sample = sample
  }

  /// The generator's key for all samples of one purpose, step and layer.
  package static func key(
    seed: UInt64, purpose: Purpose, step: UInt64, layer: UInt64
  ) -> (UInt32, UInt32) {
    var hash = mix(seed &+ 0x9E37_79B9_7F4A_7C15)
    hash = mix(hash ^ mix(purpose.rawValue &+ 0x9E37_79B9_7F4A_7C15))
    hash = mix(hash ^ mix(step &+ 0x9E37_79B9_7F4A_7C15))
    hash = mix(hash ^ mix(layer &+ 0x9E37_79B9_7F4A_7C15))
    return (UInt32(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash >> 32))
  }

  /// The finalizer of SplitMix64 (Steele et al., OOPSLA 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// 32 uniform random bits.
  public mutating func next() -> UInt32 {
    if taken == 4 {
      buffer = Self.philox(
        counter: (
          UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32),
          UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32)
        ), key: key)
      block &+= 1
      taken = 0
    }
    defer { taken += 1 }
    switch taken {
    case 0: return buffer.0
    case 1: return buffer.1
    case 2: return buffer.2
    default: return buffer.3
    }
  }

  /// Uniform in [0, 1), a multiple of 2⁻²⁴.
  public mutating func uniform() -> Float { Float(next() >> 8) * 0x1p-24 }

  /// Uniform in [lower, upper).
  public mutating func uniform(_ lower: Float, _ upper: Float) -> Float {
    lower + (upper - lower) * uniform()
  }

  /// Standard normal, by Box and Muller's transform.
  public mutating func normal() -> Float {
    let radius = (-2 * Foundation.log((Double(next()) + 1) * 0x1p-32)).squareRoot()
    let angle = 2 * Double.pi * Double(next()) * 0x1p-32
    return Float(radius * Foundation.cos(angle))
  }

  /// Uniform in 0..<bound, without bias (Lemire, "Fast random integer generation in an interval", 2019).
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0 && bound <= UInt32.max, "bound must be in 1...2³²−1, is \(bound)")
    let width = UInt32(bound)
    var product = UInt64(next()) * UInt64(width)
    if UInt32(truncatingIfNeeded: product) < width {
      let threshold = (0 &- width) % width
      while UInt32(truncatingIfNeeded: product) < threshold { product = UInt64(next()) * UInt64(width) }
    }
    return Int(product >> 32)
  }

  /// One application of Philox4x32 with ten rounds.
  package static func philox(
    counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
  ) -> (UInt32, UInt32, UInt32, UInt32) {
    var (c0, c1, c2, c3) = counter
    var (k0, k1) = key
    for round in 0..<10 {
      if round > 0 {
        k0 &+= 0x9E37_79B9
        k1 &+= 0xBB67_AE85
      }
      let p0 = UInt64(0xD251_1F53) * UInt64(c0)
      let p1 = UInt64(0xCD9E_8D57) * UInt64(c2)
      (c0, c1, c2, c3) = (
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
      )
    }
    return (c0, c1, c2, c3)
  }
}
