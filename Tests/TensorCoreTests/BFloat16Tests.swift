// The rounding to bfloat16 against its definition: the nearer of the two neighbours, of equally near ones the even one.

import CKernels
import TensorCore
import Testing

@Suite struct BFloat16Tests {
  private func rounded(_ values: [Float]) -> [Float] {
    var result = [Float](repeating: 7, count: values.count)
    lockstep_round_bfloat16(values, &result, values.count)
    return result
  }

  /// By distances, in double precision.
  private func nearest(_ x: Float) -> Float {
    let below = x.bitPattern & 0xFFFF_0000
    func value(_ bits: UInt32) -> Double {
      let isBeyond = bits & 0x7FFF_FFFF == 0x7F80_0000
      return isBeyond ? (bits >> 31 == 0 ? 0x1p128 : -0x1p128) : Double(Float(bitPattern: bits))
    }
    let distances = (abs(Double(x) - value(below)), abs(value(below + 0x10000) - Double(x)))
    if distances.0 == distances.1 {
      return Float(bitPattern: below & 0x10000 == 0 ? below : below + 0x10000)
    }
    return Float(bitPattern: distances.0 < distances.1 ? below : below + 0x10000)
  }

  @Test func everyNumberBecomesTheNearestOne() {
    // Every upper half, with lower halves around what decides.
    let low: [UInt32] = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
    for sign: UInt32 in [0, 0x8000_0000] {
      let values = (0..<UInt32(0x7F80)).flatMap { high in
        low.map { Float(bitPattern: sign | high << 16 | $0) }
      }
      let found = rounded(values)
      let wrong = zip(values, found).first { $1.bitPattern != nearest($0).bitPattern }
      #expect(wrong == nil)
      #expect(found.contains { $0.isInfinite } && found.contains { $0.isSubnormal })
    }
  }

  @Test func whatIsNoNumberStaysNone() {
    #expect(rounded([.infinity, -.infinity]) == [.infinity, -.infinity])
    // The first would become an infinity, were it rounded; the second 0 with the other sign.
    for bits: UInt32 in [0x7F80_0001, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FC0_0000, 0xFF80_8000] {
      let found = rounded([Float(bitPattern: bits)])[0]
      #expect(found.isNaN && found.sign == Float(bitPattern: bits).sign, "\(bits)")
      #expect(found.bitPattern & 0xFFFF == 0)
    }
    #expect(rounded([-0.0])[0].sign == .minus)
  }

  @Test(arguments: edgeCounts) func sumsArePackedAndUnpackedAsTheyAre(_ n: Int) {
    var draw = Draw(UInt64(n) + 9)
    let (a, b) = (draw.values(n, scale: 3), draw.values(n))
    var sums = [Float](repeating: 7, count: n + 1)
    lockstep_add_bfloat16(a, b, &sums, n)
    #expect(Array(sums[..<n]) == zip(a, b).map { nearest($0 + $1) })
    var packed = [UInt16](repeating: 7, count: n + 1)
    lockstep_pack_bfloat16(sums, &packed, n)
    #expect(packed[..<n].map { UInt32($0) << 16 } == sums[..<n].map(\.bitPattern))
    var unpacked = [Float](repeating: 7, count: n + 1)
    lockstep_unpack_bfloat16(packed, &unpacked, n)
    #expect(unpacked == sums)
    #expect((sums[n], packed[n]) == (7, 7))
  }
}
