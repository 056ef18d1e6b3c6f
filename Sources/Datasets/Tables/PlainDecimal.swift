/// Numbers as tables have them, such as -12.5 or 3e-7, read from bytes without making a text of them first.
package enum PlainDecimal {
  /// The float nearest to a number, as `Float(String)` gives it; nil where that one has to look: at other notations, at
  /// more digits, and where the number lies so close to the middle between two floats that a `Double` cannot tell.
  package static func float(_ bytes: UnsafeBufferPointer<UInt8>) -> Float? {
    var index = 0
    func digit() -> UInt64? {
      guard index < bytes.count, 0x30...0x39 ~= bytes[index] else { return nil }
      return UInt64(bytes[index] & 0xF)
    }
    func take(_ symbol: Unicode.Scalar) -> Bool {
      guard index < bytes.count, bytes[index] == UInt8(ascii: symbol) else { return false }
      index += 1
      return true
    }
    let isNegative = take("-")
    var mantissa: UInt64 = 0
    let start = index
    while let next = digit() {
      mantissa = mantissa &* 10 &+ next
      index += 1
    }
    var digits = index - start
    guard digits > 0 else { return nil }
    var exponent = 0
    if take(".") {
      let start = index
      while let next = digit() {
        mantissa = mantissa &* 10 &+ next
        index += 1
      }
      exponent = start - index
      guard exponent < 0 else { return nil }
      digits -= exponent
    }
    // 19 digits fit 64 bits.
    guard digits <= 19 else { return nil }
    if take("e") || take("E") {
      let isBelowOne = take("-")
      if !isBelowOne { _ = take("+") }
      let start = index
      var power = 0
      while let next = digit(), index - start < 3 {
        power = 10 * power + Int(next)
        index += 1
      }
      guard index > start else { return nil }
      exponent += isBelowOne ? -power : power
    }
    guard index == bytes.count, powers.indices ~= abs(exponent) else { return nil }
    guard mantissa > 0 else { return isNegative ? -0.0 : 0 }
    // Two roundings: by less than two units in the last place off.
    let double = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
    guard double >= Double(Float.leastNormalMagnitude), double < 0x1p127 else { return nil }
    // The 29 bits that a float lacks; a one and zeros are the middle.
    let rest = Int(double.bitPattern & 0x1FFF_FFFF)
    guard abs(rest - 0x1000_0000) > 4 else { return nil }
    return isNegative ? -Float(double) : Float(double)
  }

  /// Exact powers of ten.
  private static let powers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
  ]
}
