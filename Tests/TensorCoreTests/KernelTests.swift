// The fast kernels against the reference ones: bit for bit where each result is rounded once, within a stated
// bound of the same formula in double precision elsewhere.

import TensorCore
import Testing

@Suite struct KernelTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>
  private typealias Single = ReferenceKernels<Float>

  @Test(arguments: edgeCounts) func elementwiseKernelsEqualTheReferenceBitForBit(_ n: Int) {
    var draw = Draw(UInt64(n))
    let (a, b) = (draw.values(n, scale: 3), draw.values(n))
    #expect(
      bits(result(n) { Fast.add(a, b, $0, n) }) == bits(result(n) { Single.add(a, b, $0, n) }))
    #expect(
      bits(result(n) { Fast.multiply(a, b, $0, n) }) == bits(result(n) { Single.multiply(a, b, $0, n) }))
    #expect(
      bits(result(n) { Fast.scale(a, 0.3, $0, n) }) == bits(result(n) { Single.scale(a, 0.3, $0, n) }))
    #expect(bits(result(n) { Fast.copy(a, $0, n) }) == bits(a))
    #expect(result(n) { Fast.fill(2.5, $0, n) } == [Float](repeating: 2.5, count: n))
    // The reference is one of these formulas itself.
    #expect(result(n) { Single.add(a, b, $0, n) } == zip(a, b).map { $0 + $1 })
  }

  @Test(arguments: edgeCounts) func elementwiseKernelsMayWriteOverAnOperand(_ n: Int) {
    var draw = Draw(UInt64(n) + 50)
    let (a, b) = (draw.values(n), draw.values(n))
    #expect(changed(a) { Fast.add($0, b, $0, n) } == result(n) { Fast.add(a, b, $0, n) })
    #expect(changed(b) { Fast.multiply(a, $0, $0, n) } == result(n) { Fast.multiply(a, b, $0, n) })
    for activation in Activation.allCases {
      #expect(
        changed(a) { Fast.activate(activation, $0, $0, n) }
          == result(n) { Fast.activate(activation, a, $0, n) })
      let expected: [Float] = result(n) { Fast.activationGradient(activation, a, b, $0, n) }
      #expect(changed(a) { Fast.activationGradient(activation, $0, b, $0, n) } == expected)
      #expect(changed(b) { Fast.activationGradient(activation, a, $0, $0, n) } == expected)
    }
  }

  @Test(arguments: edgeMatrices) func biasAndActivationAreThoseOfSeparateSteps(r: Int, c: Int) {
    var draw = Draw(UInt64(r * 1000 + c))
    let (x, bias) = (draw.values(r * c, scale: 2), draw.values(c))
    let sums = x.indices.map { x[$0] + bias[$0 % c] }
    #expect(changed(x) { Fast.biasActivate(nil, bias, $0, r, c) } == sums)
    #expect(changed(x) { Fast.biasActivate(nil, nil, $0, r, c) } == x)
    #expect(changed(x) { Single.biasActivate(nil, bias, $0, r, c) } == sums)
    let residual = draw.values(r * c)
    let residualSums = sums.indices.map { sums[$0] + residual[$0] }
    #expect(changed(x) { Fast.addBiasAndResidual(bias, residual, $0, r, c) } == residualSums)
    #expect(changed(x) { Single.addBiasAndResidual(bias, residual, $0, r, c) } == residualSums)
    #expect(changed(x) { Fast.addBiasAndResidual(nil, residual, $0, r, c) } == zip(x, residual).map(+))
    for activation in Activation.allCases {
      #expect(
        changed(x) { Fast.biasActivate(activation, bias, $0, r, c) }
          == result(r * c) { Fast.activate(activation, sums, $0, r * c) })
      #expect(
        changed(x) { Fast.biasActivate(activation, nil, $0, r, c) }
          == result(r * c) { Fast.activate(activation, x, $0, r * c) })
      #expect(
        changed(x) { Single.biasActivate(activation, bias, $0, r, c) }
          == result(r * c) { Single.activate(activation, sums, $0, r * c) })
    }
  }

  @Test(arguments: edgeMatrices) func sumsAlongAnAxisEqualTheFormula(r: Int, c: Int) {
    var draw = Draw(UInt64(r * 1000 + c + 7))
    for (outer, axis, inner) in [(r, c, 1), (1, r, c), (r, c, 3), (2, r, c)] {
      let x = draw.values(outer * axis * inner)
      let fast: [Float] = result(outer * inner) {
        Fast.reduceSum(x, $0, outer: outer, axis: axis, inner: inner)
      }
      let exact: [Double] = result(outer * inner) {
        Exact.reduceSum(x.doubles, $0, outer: outer, axis: axis, inner: inner)
      }
      for o in 0..<outer {
        for i in 0..<inner {
          let terms = (0..<axis).map { Double(x[(o * axis + $0) * inner + i]) }
          #expect(abs(exact[o * inner + i] - terms.reduce(0, +)) < 1e-12 * Double(axis))
          let bound = Double(axis) * rounding * terms.reduce(0) { $0 + abs($1) }
          #expect(abs(Double(fast[o * inner + i]) - exact[o * inner + i]) <= bound)
        }
      }
      let repeated: [Float] = result(outer * axis * inner) {
        Fast.broadcast(fast, $0, outer: outer, axis: axis, inner: inner)
      }
      let expected = repeated.indices.map { fast[$0 / (axis * inner) * inner + $0 % inner] }
      #expect(repeated == expected)
      #expect(
        result(repeated.count) { Single.broadcast(fast, $0, outer: outer, axis: axis, inner: inner) }
          == expected)
    }
  }

  @Test(arguments: edgeMatrices) func oneHotMarksTheLabelAlone(r: Int, c: Int) {
    var draw = Draw(UInt64(r * 1000 + c + 9))
    let labels = draw.labels(r, classes: c)
    let expected = (0..<r * c).map { Float($0 % c == Int(labels[$0 / c]) ? 1 : 0) }
    #expect(result(r * c) { Fast.oneHot(labels, $0, r, c) } == expected)
    #expect(result(r * c) { Single.oneHot(labels, $0, r, c) } == expected)
  }

  @Test func theFirstOfEqualLogitsCounts() {
    let x: [Float] = [1, 1, 0, 0, 1, 1, -2, -1, -2, 5, 5, 5]
    for (labels, expected) in [([0, 1, 1, 0], 4), ([1, 2, 1, 2], 1), ([2, 0, 0, 1], 0)] as [([Int32], Int)] {
      #expect(Fast.countCorrect(x, labels, 4, 3) == expected)
      #expect(Single.countCorrect(x, labels, 4, 3) == expected)
    }
  }

  @Test(arguments: edgeMatrices) func softmaxAndItsGradientEqualTheFormula(r: Int, c: Int) {
    var draw = Draw(UInt64(r * 1000 + c + 13))
    let (x, dy) = (draw.values(r * c, scale: 3), draw.values(r * c))
    let y: [Float] = result(r * c) { Fast.softmax(x, $0, r, c) }
    let exact: [Double] = result(r * c) { Exact.softmax(x.doubles, $0, r, c) }
    // x − max is rounded once, which moves exp by half an ulp of the difference, here below 32.
    #expect(relativeError(y, exact) < 40 * rounding)
    #expect(changed(x) { Fast.softmax($0, $0, r, c) } == y)
    let dx: [Float] = result(r * c) { Fast.softmaxGradient(y, dy, $0, r, c) }
    let exactGradient: [Double] = result(r * c) { Exact.softmaxGradient(y.doubles, dy.doubles, $0, r, c) }
    for index in dx.indices {
      #expect(abs(Double(dx[index]) - exactGradient[index]) <= 40 * rounding * Double(y[index]) * 4)
    }
    #expect(changed(y) { Fast.softmaxGradient($0, dy, $0, r, c) } == dx)
    #expect(changed(dy) { Fast.softmaxGradient(y, $0, $0, r, c) } == dx)
  }

  @Test(arguments: edgeCounts) func sumsDoNotDependOnAlignment(_ n: Int) {
    var draw = Draw(UInt64(n) + 99)
    let (x, t) = (draw.values(n), draw.values(n))
    var seen = Set<[UInt32]>()
    for shift in 0..<16 {
      let moved = [Float](repeating: 3, count: shift) + x
      moved.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let start = base + shift
        var row: [Float] = [0, 0, 0, 0]
        Fast.reduceSum(start, &row, outer: 1, axis: n, inner: 1)
        Fast.valueLoss(.squared, start, t, &row[1], 1, n)
        Fast.crossEntropy(start, [Int32(n / 2)], smoothing: 0.1, &row[2], 1, n)
        let soft: [Float] = result(n) { Fast.softmax(start, $0, 1, n) }
        let gradient: [Float] = result(n) { Fast.softmaxGradient(start, t, $0, 1, n) }
        seen.insert(bits(row + soft + gradient))
      }
    }
    #expect(seen.count == 1)
  }

  @Test func axesChangePlacesAndRunsAreCopiedAsTheReferenceDoes() {
    var draw = Draw(21)
    for (outer, first, middle, second, inner) in [
      (1, 1, 1, 1, 1), (2, 3, 4, 5, 6), (1, 7, 1, 5, 1), (3, 2, 5, 1, 9),
    ] {
      let form = TransposeForm(outer: outer, first: first, middle: middle, second: second, inner: inner)
      let n = outer * first * middle * second * inner
      let x = draw.values(n)
      let y: [Float] = result(n) { Fast.transpose(form, x, $0) }
      #expect(y == result(n) { Single.transpose(form, x, $0) })
      #expect(result(n) { Fast.transpose(form.inverse, y, $0) } == x)
      if n > 24 { #expect(y != x) }
    }
    let x = draw.values(40)
    let y: [Float] = result(15) { Fast.copyRuns(x, $0, rows: 3, length: 5, xStride: 12, yStride: 5) }
    #expect(y == Array(x[0..<5] + x[12..<17] + x[24..<29]))
    #expect(y == result(15) { Single.copyRuns(x, $0, rows: 3, length: 5, xStride: 12, yStride: 5) })
  }

  @Test(arguments: edgeCounts) func oneValueThatCannotBeSummedIsFoundAnywhere(_ n: Int) {
    for value in [Float.nan, -.nan, .infinity, -.infinity, 1e38, -1e38] {
      for place in Set([0, n / 2, n - 1]) {
        var x = [Float](repeating: 1, count: n)
        #expect(Fast.isSummable(x, n) && Single.isSummable(x, n))
        x[place] = value
        #expect(!Fast.isSummable(x, n) && !Single.isSummable(x, n), "\(value) at \(place)")
        x[place] = value.sign == .minus ? -1e30 : 1e30
        #expect(Fast.isSummable(x, n) && Single.isSummable(x, n))
      }
    }
  }
}
