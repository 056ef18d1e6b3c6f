// How far the fast exponential functions lie from the exact ones, and what they do at the ends of the range.

import Foundation
import TensorCore
import Testing

@Suite struct AccuracyTests {
  /// −30 to 30 in small steps, with dense values around zero and around the point where tanh changes formula.
  private let moderate: [Float] =
    (-30_000...30_000).map { Float($0) * 0.001 } + (-2000...2000).map { Float($0) * 1e-6 }
    + (-2000...2000).map { 0.625 + Float($0) * 1e-5 } + (-2000...2000).map { -0.625 + Float($0) * 1e-5 }

  private func fast(_ activation: Activation, _ x: [Float]) -> [Float] {
    result(x.count) { FloatKernels.activate(activation, x, $0, x.count) }
  }

  @Test func sigmoidIsWithinFourUlpWhereItIsNotTiny() {
    let exact = moderate.map { 1 / (1 + exp(-Double($0))) }
    #expect(relativeError(fast(.sigmoid, moderate), exact) < 8 * rounding)
    let reference: [Double] = result(moderate.count) {
      ReferenceKernels<Double>.activate(.sigmoid, moderate.doubles, $0, moderate.count)
    }
    #expect(zip(reference, exact).allSatisfy { abs($0 - $1) <= 1e-15 * $1 })
  }

  @Test func tanhIsWithinFourUlp() {
    let exact = moderate.map { Foundation.tanh(Double($0)) }
    #expect(relativeError(fast(.tanh, moderate), exact) < 8 * rounding)
    let reference: [Double] = result(moderate.count) {
      ReferenceKernels<Double>.activate(.tanh, moderate.doubles, $0, moderate.count)
    }
    #expect(zip(reference, exact).allSatisfy { abs($0 - $1) <= 1e-15 * abs($1) })
  }

  @Test func theExponentialInsideSoftmaxIsWithinTwoUlpOverItsWholeRange() {
    // Of two logits 0 and x ≤ −20, softmax gives exp(x) / (1 + exp(x)): the sum rounds to 1 or next to it.
    for step in 0...6720 {
      let x = Float(-20) - Float(step) * 0.01
      let y: [Float] = result(2) { FloatKernels.softmax([0, x], $0, 1, 2) }
      let exact = exp(Double(x)) / (1 + exp(Double(x)))
      #expect(abs(Double(y[1]) - exact) <= 4.5 * rounding * exact, "at \(x)")
    }
  }

  @Test func activationsAtTheEndsOfTheRangeAreTheirLimits() {
    #expect(fast(.sigmoid, [90, 1e30, .infinity]) == [1, 1, 1])
    // Below −88.3 the value is no longer followed, but it is tiny and positive or zero.
    #expect(fast(.sigmoid, [-90, -1e30, -.infinity]).allSatisfy { $0 >= 0 && $0 < 1e-38 })
    #expect(
      fast(.tanh, [90, 1e30, .infinity, -90, -1e30, -.infinity]) == [1, 1, 1, -1, -1, -1])
    #expect(fast(.tanh, [0, -0.0, 1e-30]) == [0, 0, 1e-30])
    #expect(fast(.relu, [1e30, -1e30, 0, -0.0, .infinity, -.infinity]) == [1e30, 0, 0, 0, .infinity, 0])
    #expect(fast(.sigmoid, [0]) == [0.5])
    #expect(
      fast(.leakyReLU, [1e30, -100, 0, .infinity, -.infinity]) == [1e30, -1, 0, .infinity, -.infinity])
    for activation in [Activation.gelu, .geluTanh, .silu] {
      #expect(fast(activation, [0, 90, 1e30, .infinity]) == [0, 90, 1e30, .infinity], "\(activation)")
      // What is followed no longer is tiny.
      #expect(fast(activation, [-90, -1e30]).allSatisfy { abs($0) < 1e-30 }, "\(activation)")
      let ends: [Float] = [0, 90, 1e30, .infinity, -90, -1e30, -.infinity]
      let slopes: [Float] = result(7) { dx in
        FloatKernels.activationGradient(activation, ends, [Float](repeating: 1, count: 7), dx, 7)
      }
      #expect(Array(slopes[..<4]) == [0.5, 1, 1, 1], "\(activation)")
      #expect(slopes[4...].allSatisfy { abs($0) < 1e-30 }, "\(activation)")
    }
  }

  /// Relative where the value is not tiny. Far below zero, where GELU is below 1e-5, exp(−x²/2) magnifies the
  /// rounding of x²: there the error is a few roundings of x.
  @Test func activationsThatMultiplyByAShareAreWithinAFewUlp() {
    let exact: [(Activation, (Double) -> Double)] = [
      (.gelu, { $0 * erfc(-$0 / 2.0.squareRoot()) / 2 }),
      (.geluTanh, { $0 / (1 + exp(-2 * (2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
      (.silu, { $0 / (1 + exp(-$0)) }),
    ]
    for (activation, function) in exact {
      let values = fast(activation, moderate)
      let middle = moderate.indices.filter { abs(moderate[$0]) < 2 }
      #expect(
        relativeError(middle.map { values[$0] }, middle.map { function(Double(moderate[$0])) }) < 12
          * rounding,
        "\(activation)")
      for (x, value) in zip(moderate, values) {
        #expect(
          abs(Double(value) - function(Double(x))) <= 6 * rounding * Double(abs(x)), "\(activation)(\(x))")
      }
      let reference: [Double] = result(moderate.count) {
        ReferenceKernels<Double>.activate(activation, moderate.doubles, $0, moderate.count)
      }
      for (x, value) in zip(moderate, reference) {
        #expect(abs(value - function(Double(x))) <= 1e-15 * Double(abs(x)), "\(activation)(\(x))")
      }
    }
  }

  @Test(arguments: edgeCounts) func aNaNStaysOneAndStaysInItsPlace(_ n: Int) {
    for place in Set([0, n / 2, n - 1]) {
      var x = [Float](repeating: 0.5, count: n)
      x[place] = .nan
      for activation in Activation.allCases {
        let y = fast(activation, x)
        let reference: [Float] = result(n) { ReferenceKernels.activate(activation, x, $0, n) }
        #expect(y.indices.allSatisfy { y[$0].isNaN == ($0 == place) }, "\(activation)")
        #expect(reference.indices.allSatisfy { reference[$0].isNaN == ($0 == place) }, "\(activation)")
        let bias = changed([Float](repeating: 0, count: n)) {
          FloatKernels.biasActivate(activation, x, $0, 1, n)
        }
        #expect(bias.indices.allSatisfy { bias[$0].isNaN == ($0 == place) }, "\(activation)")
        // A NaN among the arriving gradients.
        let dx: [Float] = result(n) { dx in
          FloatKernels.activationGradient(activation, [Float](repeating: 0.5, count: n), x, dx, n)
        }
        #expect(dx.indices.allSatisfy { dx[$0].isNaN == ($0 == place) }, "\(activation)")
      }
      let soft: [Float] = result(n) { FloatKernels.softmax(x, $0, 1, n) }
      #expect(soft.allSatisfy { $0.isNaN })
      let entropy: [Float] = result(1) { FloatKernels.crossEntropy(x, [0], smoothing: 0, $0, 1, n) }
      #expect(entropy[0].isNaN)
      let gradient: [Float] = result(n) {
        FloatKernels.crossEntropyGradient(x, [0], smoothing: 0, [1], $0, 1, n)
      }
      #expect(gradient.allSatisfy { $0.isNaN })
      for kind in ValueLoss.all {
        let loss: [Float] = result(1) {
          FloatKernels.valueLoss(kind, x, [Float](repeating: 0, count: n), $0, 1, n)
        }
        #expect(loss[0].isNaN, "\(kind)")
      }
    }
  }

  @Test(arguments: edgeCounts) func activationGradientsEqualTheFormula(_ n: Int) {
    var draw = Draw(UInt64(n) + 5)
    let (x, dy) = (draw.values(n, scale: 2), draw.values(n))
    for activation in Activation.allCases {
      let from = activation.gradientReadsInput ? x : fast(activation, x)
      let dx: [Float] = result(n) { FloatKernels.activationGradient(activation, from, dy, $0, n) }
      let exact: [Double] = zip(from, dy).map { from, dy in
        let (x, y) = (Double(from), Double(from))
        return switch activation {
        case .sigmoid: Double(dy) * y * (1 - y)
        case .tanh: Double(dy) * (1 - y * y)
        case .relu: y > 0 ? Double(dy) : 0
        case .leakyReLU: y > 0 ? Double(dy) : 0.01 * Double(dy)
        case .gelu, .geluTanh, .silu: Double(dy) * slope(activation, x)
        }
      }
      // 1 − y² cancels near |y| = 1: its error is one rounding of 1.
      for index in dx.indices {
        let scale = activation.gradientReadsInput ? 24 * (1 + Double(abs(x[index]))) : 4
        #expect(
          abs(Double(dx[index]) - exact[index]) <= scale * rounding * Double(abs(dy[index])), "\(activation)")
      }
      let reference: [Double] = result(n) {
        ReferenceKernels.activationGradient(activation, from.doubles, dy.doubles, $0, n)
      }
      // The slopes below are central differences, 1e-9 off.
      let tolerance = activation.gradientReadsInput ? 1e-8 : 1e-15
      #expect(
        zip(reference, exact).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }, "\(activation)")
    }
  }

  private func slope(_ activation: Activation, _ x: Double) -> Double {
    let step = 1e-6
    let ends: [Double] = result(2) {
      ReferenceKernels<Double>.activate(activation, [x - step, x + step], $0, 2)
    }
    return (ends[1] - ends[0]) / (2 * step)
  }
}
