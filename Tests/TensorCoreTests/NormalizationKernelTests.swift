// Layer and RMS normalization: the fast kernels against the reference in double precision, and the reference
// against the formula's own properties.

import TensorCore
import Testing

@Suite struct NormalizationKernelTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  private static let cases = edgeMatrices.flatMap { r, c in [(r, c, true), (r, c, false)] }

  @Test(arguments: cases) func fastKernelsEqualTheReference(r: Int, c: Int, isCentered: Bool) {
    var form = NormalizationForm(rows: r, columns: c, epsilon: 1e-5, isCentered: isCentered)
    var draw = Draw(UInt64(r * 1000 + c))
    // Values away from zero: the mean must be taken off before anything is squared.
    let x = draw.values(r * c, scale: 2).map { $0 + 3 }
    let (weight, bias, dy) = (draw.values(c), draw.values(c), draw.values(r * c))
    for bias in [bias, nil] {
      let y: [Float] = result(r * c) { Fast.normalize(form, x, weight, bias, $0) }
      let exact: [Double] = result(r * c) {
        Exact.normalize(form, x.doubles, weight.doubles, bias?.doubles, $0)
      }
      close(y, exact, spread(form, x))
    }
    for carried in [draw.values(r * c), nil] {
      let dx: [Float] = result(r * c) { Fast.normalizeInputGradient(form, x, weight, dy, carried, $0) }
      let exactGradient: [Double] = result(r * c) {
        Exact.normalizeInputGradient(form, x.doubles, weight.doubles, dy.doubles, carried?.doubles, $0)
      }
      close(dx, exactGradient, spread(form, x))
      // The result may take the place of any operand of its size.
      #expect(changed(dy) { Fast.normalizeInputGradient(form, x, weight, $0, carried, $0) } == dx)
      #expect(changed(x) { Fast.normalizeInputGradient(form, $0, weight, dy, carried, $0) } == dx)
      if let carried {
        #expect(changed(carried) { Fast.normalizeInputGradient(form, x, weight, dy, $0, $0) } == dx)
      }
    }
    for hasBias in [false, true] {
      form.hasBias = hasBias
      let sums: [Float] = result(form.sumCount) { Fast.normalizeSums(form, x, dy, $0) }
      let exactSums: [Double] = result(form.sumCount) { Exact.normalizeSums(form, x.doubles, dy.doubles, $0) }
      #expect(sums.count == (hasBias ? 2 : 1) * c)
      close(sums, exactSums, spread(form, x) * Double(r).squareRoot())
    }
  }

  /// How much a row's normalization magnifies a rounding of its values.
  private func spread(_ form: NormalizationForm, _ x: [Float]) -> Double {
    guard form.isCentered else { return 1 }
    return (0..<form.rows).reduce(1) { worst, row in
      let values = x[row * form.columns..<(row + 1) * form.columns].map(Double.init)
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      return max(worst, 6 / (variance + form.epsilon).squareRoot())
    }
  }

  private func close(_ values: [Float], _ exact: [Double], _ spread: Double) {
    let scale = exact.reduce(1) { max($0, abs($1)) }
    for (value, exact) in zip(values, exact) {
      #expect(abs(Double(value) - exact) <= 40 * rounding * spread * scale)
    }
  }

  @Test func aLayerNormalizedRowHasMeanZeroAndVarianceOne() {
    let form = NormalizationForm(rows: 1, columns: 37, epsilon: 0, isCentered: true)
    var draw = Draw(3)
    let x = draw.values(37).map { Double($0) * 5 + 100 }
    let y: [Double] = result(37) {
      Exact.normalize(form, x, [Double](repeating: 1, count: 37), nil, $0)
    }
    #expect(abs(y.reduce(0, +)) < 1e-10)
    #expect(abs(y.reduce(0) { $0 + $1 * $1 } - 37) < 1e-9)
  }

  @Test func rmsNormalizationKeepsTheDirection() {
    let form = NormalizationForm(rows: 1, columns: 2, epsilon: 0, isCentered: false)
    let y: [Double] = result(2) { Exact.normalize(form, [3, 4], [1, 2], nil, $0) }
    // √((9 + 16)/2) = 3.5355…
    #expect(abs(y[0] - 3 / 12.5.squareRoot()) < 1e-15 && abs(y[1] - 8 / 12.5.squareRoot()) < 1e-15)
  }

  @Test func epsilonKeepsConstantRowsFinite() {
    let form = NormalizationForm(rows: 1, columns: 20, epsilon: 1e-5, isCentered: true)
    let (x, ones) = ([Float](repeating: 7, count: 20), [Float](repeating: 1, count: 20))
    #expect(result(20) { Fast.normalize(form, x, ones, nil, $0) } == [Float](repeating: 0, count: 20))
    let dx: [Float] = result(20) { Fast.normalizeInputGradient(form, x, ones, ones, nil, $0) }
    #expect(dx.allSatisfy { abs($0) < 1e-3 })
  }
}
