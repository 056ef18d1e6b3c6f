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
      let y = fast(activation, x)
      let dx: [Float] = result(n) { FloatKernels.activationGradient(activation, y, dy, $0, n) }
      let exact: [Double] = zip(y, dy).map { y, dy in
        switch activation {
        case .sigmoid: Double(dy) * Double(y) * (1 - Double(y))
        case .tanh: Double(dy) * (1 - Double(y) * Double(y))
        case .relu: y > 0 ? Double(dy) : 0
        }
      }
      // 1 − y² cancels near |y| = 1: its error is one rounding of 1.
      for index in dx.indices {
        #expect(abs(Double(dx[index]) - exact[index]) <= 4 * rounding * Double(abs(dy[index])))
      }
      let reference: [Double] = result(n) {
        ReferenceKernels.activationGradient(activation, y.doubles, dy.doubles, $0, n)
      }
      #expect(zip(reference, exact).allSatisfy { abs($0 - $1) <= 1e-15 * max(1, abs($1)) })
    }
  }
}
