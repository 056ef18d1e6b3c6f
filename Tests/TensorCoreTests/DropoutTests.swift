import TensorCore
import Testing

@Suite struct DropoutTests {
  private func drop<Kernels: KernelSet>(
    _ kernels: Kernels.Type, _ form: DropoutForm, _ samples: [Int], seed: UInt64 = 1, step: UInt64 = 2
  ) -> [Double] where Kernels.Scalar: AdditiveArithmetic {
    let count = form.outer * form.batch * form.inner
    var x = [Kernels.Scalar](repeating: 0, count: count)
    for index in 0..<count { x[index] = Kernels.Scalar(index + 1) }
    var y = [Kernels.Scalar](repeating: .nan, count: count)
    let numbers = UnsafeMutablePointer<Int>.allocate(capacity: samples.count)
    defer { numbers.deallocate() }
    numbers.initialize(from: samples, count: samples.count)
    Kernels.dropout(form, PassKey(seed: seed, step: step, samples: numbers), x, &y)
    return y.map { Double($0) }
  }

  private func mask(_ form: DropoutForm, _ samples: [Int], seed: UInt64 = 1, step: UInt64 = 2) -> [Bool] {
    drop(FloatKernels.self, form, samples, seed: seed, step: step).map { $0 != 0 }
  }

  @Test(arguments: [1, 3, 16, 63, 64, 65, 200], [1, 3])
  func theFastKernelDrawsTheReferencesMask(_ inner: Int, _ outer: Int) {
    for rate in [0, 0.1, 0.5, 0.9] {
      let form = DropoutForm(rate: rate, layer: 7, outer: outer, batch: 3, inner: inner)
      let samples = [5, 1 << 40, 0]
      let (fast, exact) = (
        drop(FloatKernels.self, form, samples), drop(ReferenceKernels<Double>.self, form, samples)
      )
      #expect(zip(fast, exact).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) })
    }
  }

  @Test func asManyAreDroppedAsTheRateSaysAndTheSumStays() {
    for rate in [0.1, 0.5, 0.8] {
      let form = DropoutForm(rate: rate, layer: 1, outer: 1, batch: 20, inner: 5000)
      let kept = mask(form, Array(0..<20)).count { $0 }
      // Five standard deviations of a binomial count.
      #expect(abs(Double(kept) - 1e5 * (1 - rate)) < 5 * (1e5 * rate * (1 - rate)).squareRoot())
      let values = drop(FloatKernels.self, form, Array(0..<20))
      #expect(zip(values, 1...).allSatisfy { $0 == 0 || abs($0 * (1 - rate) / Double($1) - 1) < 1e-6 })
    }
  }

  @Test func theMaskFollowsTheSampleWhereverItLies() {
    let together = mask(DropoutForm(rate: 0.5, layer: 1, outer: 1, batch: 3, inner: 100), [4, 9, 2])
    let alone = mask(DropoutForm(rate: 0.5, layer: 1, outer: 1, batch: 1, inner: 100), [9])
    #expect(Array(together[100..<200]) == alone)
    #expect(Array(together[..<100]) != alone)
  }

  @Test func anotherSeedStepLayerOrOuterRowIsAnotherMask() {
    let form = DropoutForm(rate: 0.5, layer: 1, outer: 2, batch: 1, inner: 256)
    let mask = mask(form, [3])
    var other = form
    other.layer = 2
    let masks = [
      mask, self.mask(form, [3], seed: 2), self.mask(form, [3], step: 3), self.mask(other, [3]),
      Array(mask[256...] + mask[..<256]),
    ]
    for (index, first) in masks.enumerated() {
      for second in masks[(index + 1)...] {
        let agreeing = zip(first, second).count { $0 == $1 }
        #expect((180..<332).contains(agreeing), "\(agreeing) of 512 agree")
      }
    }
  }
}
