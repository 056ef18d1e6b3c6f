// Attention: the fast kernel against the reference in double precision, and what masks promise.

import CKernels
import TensorCore
import Testing

@Suite struct AttentionKernelTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  /// batch, time, heads, head width: around the edges of vectors, panels of 8 rows, strips of 32 columns and
  /// blocks of 64 rows.
  private static let extents = [
    (1, 1, 1, 1), (2, 5, 3, 7), (1, 16, 1, 16), (2, 17, 2, 33), (1, 33, 2, 8), (1, 64, 2, 32), (1, 73, 1, 20),
    (1, 130, 2, 16),
  ]

  private struct Operands {
    let form: AttentionForm
    var qkv: [Float]
    var mask: [Float]?
    var dy: [Float]

    init(_ extents: (Int, Int, Int, Int), isCausal: Bool, mask: ((Int, Int) -> Bool)?) {
      form = AttentionForm(
        batch: extents.0, time: extents.1, heads: extents.2, headWidth: extents.3, isCausal: isCausal,
        hasMask: mask != nil)
      var draw = Draw(UInt64(extents.1 * 1000 + extents.3))
      let count = form.batch * form.time * form.width
      qkv = draw.values(3 * count)
      dy = draw.values(count)
      let time = form.time
      self.mask = mask.map { isAllowed in
        (0..<form.batch * time).map { isAllowed($0 / time, $0 % time) ? 1 : 0 }
      }
    }

    func fast() -> (y: [Float], dqkv: [Float]) {
      let y: [Float] = result(dy.count) { y in
        // Scratch begins as NaN, and stays within what was asked for.
        _ = result(form.scratchCount) { Fast.attention(form, qkv, mask, y, scratch: $0) } as [Float]
      }
      let dqkv: [Float] = result(qkv.count) { dqkv in
        _ =
          result(form.gradientScratchCount) {
            Fast.attentionGradient(form, qkv, mask, dy, dqkv, scratch: $0)
          } as [Float]
      }
      return (y, dqkv)
    }

    func exact() -> (y: [Double], dqkv: [Double]) {
      var none = 0.0
      return (
        result(dy.count) { Exact.attention(form, qkv.doubles, mask?.doubles, $0, scratch: &none) },
        result(qkv.count) {
          Exact.attentionGradient(form, qkv.doubles, mask?.doubles, dy.doubles, $0, scratch: &none)
        }
      )
    }
  }

  @Test(arguments: extents, [false, true])
  func fastKernelsEqualTheReference(_ extents: (Int, Int, Int, Int), isCausal: Bool) {
    // Without a mask; with one in which the first step is open; with one in which a whole sample, or the
    // first steps, are closed.
    let masks: [((Int, Int) -> Bool)?] = [
      nil, { sample, step in step == 0 || (step * 7 + sample) % 3 != 0 },
      { sample, step in sample == 1 && step > 2 && step % 4 != 0 },
    ]
    for (index, mask) in masks.enumerated() {
      let operands = Operands(extents, isCausal: isCausal, mask: mask)
      let (fast, exact) = (operands.fast(), operands.exact())
      for (value, exact) in zip(fast.y, exact.y) {
        #expect(abs(Double(value) - exact) <= 60 * rounding, "mask \(index)")
      }
      for (value, exact) in zip(fast.dqkv, exact.dqkv) {
        #expect(abs(Double(value) - exact) <= 200 * rounding * (1 + abs(exact)), "mask \(index)")
      }
    }
  }

  /// Processors without AVX-512 get the same bits.
  @Test(arguments: extents, [false, true])
  func bitsDoNotDependOnTheWidthOfVectors(_ extents: (Int, Int, Int, Int), isCausal: Bool) {
    let operands = Operands(extents, isCausal: isCausal) { sample, step in (step * 7 + sample) % 5 != 0 }
    let wide = operands.fast()
    lockstep_narrow_products(1)
    defer { lockstep_narrow_products(0) }
    #expect(operands.fast() == wide)
  }

  @Test(arguments: [5, 16, 40, 70]) func causalAttentionReadsNothingThatIsLater(_ time: Int) {
    let operands = Operands((1, time, 2, 8), isCausal: true, mask: nil)
    let before = operands.fast().y
    let row = operands.form.width
    for step in Set([0, time / 2, time - 2]) {
      var changed = operands
      for index in (step + 1) * 3 * row..<time * 3 * row { changed.qkv[index] += 100 }
      let after = changed.fast().y
      let isUnchanged = after.prefix((step + 1) * row) == before.prefix((step + 1) * row)
      #expect(isUnchanged && after.last != before.last, "step \(step)")
    }
  }

  /// Cutting padding off must give what masking it gives, to the bit where nothing else differs.
  @Test(arguments: [false, true]) func paddingAtTheEndChangesNothing(isCausal: Bool) {
    let length = 11
    var padded = Operands((1, 29, 2, 8), isCausal: isCausal) { _, step in step < length }
    let row = padded.form.width
    for index in length * row..<29 * row { padded.dy[index] = 0 }
    var cut = Operands((1, length, 2, 8), isCausal: isCausal, mask: nil)
    cut.qkv = Array(padded.qkv.prefix(length * 3 * row))
    cut.dy = Array(padded.dy.prefix(length * row))
    let (long, short) = (padded.fast(), cut.fast())
    #expect(Array(long.y.prefix(length * row)) == short.y)
    #expect(Array(long.dqkv.prefix(length * 3 * row)) == short.dqkv)
    #expect(long.dqkv.dropFirst(length * 3 * row).allSatisfy { $0 == 0 })
  }

  @Test func whereThereIsNothingToAttendToTheResultIsZero() {
    for isCausal in [false, true] {
      let operands = Operands((2, 20, 2, 5), isCausal: isCausal) { sample, step in sample == 1 && step >= 9 }
      let (y, dqkv) = operands.fast()
      let row = operands.form.width
      let closed = 20 + (isCausal ? 9 : 0)
      #expect(y.prefix(closed * row).allSatisfy { $0 == 0 })
      #expect(dqkv.prefix(20 * 3 * row).allSatisfy { $0 == 0 })
      #expect(y.dropFirst(closed * row).allSatisfy { $0 != 0 })
    }
  }

  @Test func valuesThatAreEqualComeBackWhateverTheScores() {
    var operands = Operands((1, 37, 1, 16), isCausal: true, mask: nil)
    for step in 0..<37 {
      for d in 0..<16 {
        operands.qkv[step * 48 + 32 + d] = 2
        // Powers of them alone would be infinite.
        operands.qkv[step * 48 + d] *= 3000
      }
    }
    #expect(operands.fast().y.allSatisfy { abs($0 - 2) < 1e-6 })
  }

  @Test func aNaNReachesOnlyTheStepsThatReadIt() {
    var operands = Operands((1, 40, 1, 8), isCausal: true, mask: nil)
    operands.qkv[25 * 24 + 8] = .nan  // a key
    let y = operands.fast().y
    #expect(y.prefix(25 * 8).allSatisfy { !$0.isNaN })
    #expect(y.dropFirst(25 * 8).allSatisfy { $0.isNaN })
  }

  @Test func theBitsOfASampleDoNotDependOnTheOthers() {
    let pair = Operands((2, 21, 2, 12), isCausal: true, mask: nil)
    var single = Operands((1, 21, 2, 12), isCausal: true, mask: nil)
    single.qkv = Array(pair.qkv.suffix(single.qkv.count))
    single.dy = Array(pair.dy.suffix(single.dy.count))
    #expect(Array(pair.fast().y.suffix(single.dy.count)) == single.fast().y)
    #expect(Array(pair.fast().dqkv.suffix(single.qkv.count)) == single.fast().dqkv)
  }
}
