import TensorCore
import Testing

extension ValueLoss {
  static let all: [ValueLoss] = [.squared, .absolute, .huber(delta: 0.7), .binaryCrossEntropy]
}

@Suite struct LossTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  @Test(arguments: edgeMatrices, [0, 0.1]) func crossEntropyEqualsTheFormula(
    _ extents: (r: Int, c: Int), _ smoothing: Float
  ) {
    let (r, c) = extents
    var draw = Draw(UInt64(r * 1000 + c + 11))
    let (x, labels, dl) = (draw.values(r * c, scale: 3), draw.labels(r, classes: c), draw.values(r))
    let loss: [Float] = result(r) { Fast.crossEntropy(x, labels, smoothing: smoothing, $0, r, c) }
    let exact: [Double] = result(r) {
      Exact.crossEntropy(x.doubles, labels, smoothing: Double(smoothing), $0, r, c)
    }
    // A row's loss can cancel: its error is that of the largest logit's magnitude, a few roundings.
    let magnitude = x.reduce(1) { max($0, Double(abs($1))) }
    #expect(zip(loss, exact).allSatisfy { abs(Double($0) - $1) <= 8 * rounding * magnitude })
    let gradient: [Float] = result(r * c) {
      Fast.crossEntropyGradient(x, labels, smoothing: smoothing, dl, $0, r, c)
    }
    let exactGradient: [Double] = result(r * c) {
      Exact.crossEntropyGradient(x.doubles, labels, smoothing: Double(smoothing), dl.doubles, $0, r, c)
    }
    #expect(relativeError(gradient, exactGradient, floor: 0.1) < 80 * rounding)
    let inPlace = changed(x) { Fast.crossEntropyGradient($0, labels, smoothing: smoothing, dl, $0, r, c) }
    #expect(inPlace == gradient)
  }

  @Test(arguments: edgeMatrices, [0, 0.1]) func crossEntropyWithProbabilitiesEqualsTheFormula(
    _ extents: (r: Int, c: Int), _ smoothing: Float
  ) {
    let (r, c) = extents
    var draw = Draw(UInt64(r * 1000 + c + 17))
    let (x, dl) = (draw.values(r * c, scale: 3), draw.values(r))
    let target = draw.values(r * c).map(abs)
    let loss: [Float] = result(r) { Fast.softCrossEntropy(x, target, smoothing: smoothing, $0, r, c) }
    let exact: [Double] = result(r) {
      Exact.softCrossEntropy(x.doubles, target.doubles, smoothing: Double(smoothing), $0, r, c)
    }
    #expect(relativeError(loss, exact, floor: 1) < 100 * rounding)
    let gradient: [Float] = result(r * c) {
      Fast.softCrossEntropyGradient(x, target, smoothing: smoothing, dl, $0, r, c)
    }
    let exactGradient: [Double] = result(r * c) {
      Exact.softCrossEntropyGradient(
        x.doubles, target.doubles, smoothing: Double(smoothing), dl.doubles, $0, r, c)
    }
    // Values and their sum grow with the classes, and are subtracted from each other.
    #expect(relativeError(gradient, exactGradient, floor: Double(c)) < 40 * rounding)
    let inPlace = changed(x) {
      Fast.softCrossEntropyGradient($0, target, smoothing: smoothing, dl, $0, r, c)
    }
    #expect(inPlace == gradient)
  }

  @Test(arguments: ValueLoss.all) func lossesOfValuesEqualTheFormula(_ kind: ValueLoss) {
    for (r, c) in edgeMatrices {
      var draw = Draw(UInt64(r * 1000 + c + 19))
      let (x, target, dl) = (draw.values(r * c, scale: 2), draw.values(r * c), draw.values(r))
      let loss: [Float] = result(r) { Fast.valueLoss(kind, x, target, $0, r, c) }
      let exact: [Double] = result(r) { Exact.valueLoss(kind, x.doubles, target.doubles, $0, r, c) }
      #expect(relativeError(loss, exact, floor: 1) < 20 * rounding)
      let gradient: [Float] = result(r * c) { Fast.valueLossGradient(kind, x, target, dl, $0, r, c) }
      let exactGradient: [Double] = result(r * c) {
        Exact.valueLossGradient(kind, x.doubles, target.doubles, dl.doubles, $0, r, c)
      }
      #expect(relativeError(gradient, exactGradient, floor: 1 / Double(c)) < 20 * rounding)
      #expect(changed(x) { Fast.valueLossGradient(kind, $0, target, dl, $0, r, c) } == gradient)
      #expect(changed(target) { Fast.valueLossGradient(kind, x, $0, dl, $0, r, c) } == gradient)
    }
  }

  @Test func crossEntropyOfLargeLogitsIsExact() {
    let x: [Float] = [1000, 0, -1000, 1000, 0, -1000, -90, -90.5, -1000, 1e30, 1e30, 0]
    let labels: [Int32] = [0, 2, 0, 1]
    let loss: [Float] = result(4) { Fast.crossEntropy(x, labels, smoothing: 0, $0, 4, 3) }
    let expected = [0, 2000, 0.474_076_984_18, 0.693_147_180_56]
    #expect(zip(loss, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * max(1, $1) })
    let gradient: [Float] = result(12) {
      Fast.crossEntropyGradient(x, labels, smoothing: 0, [1, 1, 1, 1], $0, 4, 3)
    }
    #expect(Array(gradient[..<6]) == [0, 0, 0, 1, 0, -1])
    #expect(Array(gradient[9...]) == [0.5, -0.5, 0])
  }

  @Test func binaryCrossEntropyOfLargeLogitsIsExact() {
    let loss: [Float] = result(4) {
      Fast.valueLoss(.binaryCrossEntropy, [200, -200, 200, 0], [1, 1, 0, 0.5], $0, 4, 1)
    }
    #expect(loss[0] == 0 && loss[1] == 200 && loss[2] == 200 && abs(loss[3] - 0.693_147_18) < 1e-7)
  }

  @Test func agreementIsCountedByTheLargestProbability() {
    let x: [Float] = [1, 3, 2, 5, 5, 0, -1, -2, -3]
    let target: [Float] = [0.1, 0.6, 0.3, 0.5, 0.5, 0, 0, 0.2, 0.8]
    #expect(Fast.countAgreeing(x, target, 3, 3) == 2)
    #expect(ReferenceKernels<Float>.countAgreeing(x, target, 3, 3) == 2)
  }
}
