// Tensors too large to store, which PyTorch's side and ours compute alike, to the bit.
//
// The formula is that of scripts/fixtures/formula.py: a hash of the index and a salt in wrapping 32-bit
// arithmetic, whose upper 24 bits, centered, are scaled by a power of two: exact, unless an offset is added.

/// A tensor whose value i follows from i, uniform over [offset - 2^exponent, offset + 2^exponent).
package struct FormulaTensor: Decodable, Sendable {
  package let shape: [Int]
  package let salt: UInt32
  package let exponent: Int
  /// What is added to every value, rounded once; nothing if not given.
  package let offset: Float?
  /// What the first three values and the last must be.
  package let ends: [Float]

  package init(shape: [Int], salt: UInt32, exponent: Int) {
    (self.shape, self.salt, self.exponent) = (shape, salt, exponent)
    (offset, ends) = (nil, [])
  }

  /// All values, row-major.
  package func values() -> [Float] {
    let scale = Float(sign: .plus, exponent: exponent - 23, significand: 1)
    let offset = offset ?? 0
    return (0..<UInt32(shape.reduce(1, *))).map { index in
      offset + Float(Int32(mix(index, salt: salt) >> 8) - (1 << 23)) * scale
    }
  }
}

/// Labels or tokens that follow from their number.
package struct FormulaLabels: Decodable, Sendable {
  package let count: Int
  package let salt: UInt32
  package let classes: Int
  /// What the first eight must be.
  package let first: [Int]

  package init(count: Int, salt: UInt32, classes: Int) {
    (self.count, self.salt, self.classes, first) = (count, salt, classes, [])
  }

  /// So many as `count` says, from 0 to classes - 1.
  package func values() -> [Int] {
    (0..<UInt32(count)).map { Int(mix($0, salt: salt) % UInt32(classes)) }
  }
}

private func mix(_ index: UInt32, salt: UInt32) -> UInt32 {
  var h = index &* 0x9E37_79B1 &+ salt
  h = (h ^ (h >> 16)) &* 0x85EB_CA6B
  h = (h ^ (h >> 13)) &* 0xC2B2_AE35
  return h ^ (h >> 16)
}
