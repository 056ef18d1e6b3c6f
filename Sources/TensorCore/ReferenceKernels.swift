import Foundation

/// Every kernel as its formula says, in plain loops: slow, obvious, and over any floating-point type.
package enum ReferenceKernels<Scalar: BinaryFloatingPoint & BitwiseCopyable>: KernelSet {
  package typealias Input = UnsafePointer<Scalar>
  package typealias Output = UnsafeMutablePointer<Scalar>
  package typealias Labels = UnsafePointer<Int32>

  package static func matrixProduct(_ form: MatrixForm, _ a: Input, _ b: Input, _ y: Output) {
    for row in 0..<form.rows {
      for column in 0..<form.columns {
        var sum: Scalar = 0
        for k in 0..<form.depth {
          let left = form.transposeA ? a[k * form.rows + row] : a[row * form.depth + k]
          let right = form.transposeB ? b[column * form.depth + k] : b[k * form.columns + column]
          sum += left * right
        }
        y[row * form.columns + column] = sum
      }
    }
  }

  package static func biasActivate(
    _ activation: Activation?, _ bias: Input?, _ y: Output, _ r: Int, _ c: Int
  ) {
    for row in 0..<r {
      for column in 0..<c {
        let x = y[row * c + column] + (bias.map { $0[column] } ?? 0)
        y[row * c + column] = activation.map { apply($0, x) } ?? x
      }
    }
  }

  package static func activate(_ activation: Activation, _ x: Input, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = apply(activation, x[i]) }
  }

  package static func activationGradient(
    _ activation: Activation, _ from: Input, _ dy: Input, _ dx: Output, _ n: Int
  ) {
    let (x, y) = (from, from)
    for i in 0..<n {
      switch activation {
      case .sigmoid: dx[i] = dy[i] * y[i] * (1 - y[i])
      case .tanh: dx[i] = dy[i] * (1 - y[i] * y[i])
      case .relu: dx[i] = y[i] <= 0 ? 0 : dy[i]
      case .leakyReLU: dx[i] = y[i] > 0 ? dy[i] : Scalar(Activation.leakySlope) * dy[i]
      case .gelu:
        let density = exponential(-x[i] * x[i] / 2) / (2 * Scalar.pi).squareRoot()
        dx[i] = dy[i] * (normalShare(below: x[i]) + x[i] * density)
      case .geluTanh:
        let share = sigmoid(2 * tanhArgument(x[i]))
        let slope = 2 * (2 / Scalar.pi).squareRoot() * (1 + 3 * 0.044715 * x[i] * x[i])
        dx[i] = dy[i] * (share + x[i] * share * (1 - share) * slope)
      case .silu: dx[i] = dy[i] * sigmoid(x[i]) * (1 + x[i] * (1 - sigmoid(x[i])))
      }
    }
  }

  package static func softmax(_ x: Input, _ y: Output, _ r: Int, _ c: Int) {
    for row in 0..<r {
      let largest = (0..<c).map { x[row * c + $0] }.max() ?? 0
      var sum: Scalar = 0
      for column in 0..<c {
        y[row * c + column] = exponential(x[row * c + column] - largest)
        sum += y[row * c + column]
      }
      for column in 0..<c { y[row * c + column] /= sum }
    }
  }

  package static func softmaxGradient(_ y: Input, _ dy: Input, _ dx: Output, _ r: Int, _ c: Int) {
    for row in 0..<r {
      var dot: Scalar = 0
      for column in 0..<c { dot += y[row * c + column] * dy[row * c + column] }
      for column in 0..<c { dx[row * c + column] = y[row * c + column] * (dy[row * c + column] - dot) }
    }
  }

  package static func add(_ a: Input, _ b: Input, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = a[i] + b[i] }
  }

  package static func multiply(_ a: Input, _ b: Input, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = a[i] * b[i] }
  }

  package static func scale(_ x: Input, _ factor: Scalar, _ y: Output, _ n: Int) {
    for i in 0..<n { y[i] = x[i] * factor }
  }

  package static func copy(_ x: Input, _ y: Output, _ n: Int) { y.update(from: x, count: n) }

  package static func fill(_ value: Scalar, _ y: Output, _ n: Int) { y.update(repeating: value, count: n) }

  package static func reduceSum(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int) {
    for o in 0..<outer {
      for i in 0..<inner {
        var sum: Scalar = 0
        for a in 0..<axis { sum += x[(o * axis + a) * inner + i] }
        y[o * inner + i] = sum
      }
    }
  }

  package static func broadcast(_ x: Input, _ y: Output, outer: Int, axis: Int, inner: Int) {
    for o in 0..<outer {
      for a in 0..<axis {
        for i in 0..<inner { y[(o * axis + a) * inner + i] = x[o * inner + i] }
      }
    }
  }

  package static func oneHot(_ labels: Labels, _ y: Output, _ r: Int, _ c: Int) {
    for row in 0..<r {
      for column in 0..<c { y[row * c + column] = column == Int(labels[row]) ? 1 : 0 }
    }
  }

  package static func crossEntropy(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Scalar {
    var total: Scalar = 0
    for row in 0..<r {
      let logits = (0..<c).map { x[row * c + $0] }
      let largest = logits.max() ?? 0
      let sum = logits.reduce(0) { $0 + exponential($1 - largest) }
      total += largest - logits[Int(labels[row])] + Scalar(Foundation.log(Double(sum)))
    }
    return total
  }

  package static func crossEntropyGradient(
    _ x: Input, _ labels: Labels, _ factor: Scalar, _ dx: Output, _ r: Int, _ c: Int
  ) {
    softmax(x, dx, r, c)
    for row in 0..<r { dx[row * c + Int(labels[row])] -= 1 }
    for i in 0..<r * c { dx[i] *= factor }
  }

  package static func squaredError(_ prediction: Input, _ target: Input, _ r: Int, _ c: Int) -> Scalar {
    var total: Scalar = 0
    for i in 0..<r * c { total += (prediction[i] - target[i]) * (prediction[i] - target[i]) }
    return total / Scalar(c)
  }

  package static func difference(
    _ prediction: Input, _ target: Input, _ factor: Scalar, _ dx: Output, _ n: Int
  ) {
    for i in 0..<n { dx[i] = factor * (prediction[i] - target[i]) }
  }

  package static func countCorrect(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Int {
    var correct = 0
    for row in 0..<r {
      var best = 0
      for column in 0..<c where x[row * c + column] > x[row * c + best] { best = column }
      if best == Int(labels[row]) { correct += 1 }
    }
    return correct
  }

  package static func isSummable(_ x: Input, _ n: Int) -> Bool {
    (0..<n).allSatisfy { x[$0].magnitude <= Scalar(Float.greatestFiniteMagnitude) / 65536 }
  }

  package static func exponential(_ x: Scalar) -> Scalar { Scalar(Foundation.exp(Double(x))) }

  private static func apply(_ activation: Activation, _ x: Scalar) -> Scalar {
    switch activation {
    case .sigmoid: sigmoid(x)
    case .tanh: Scalar(Foundation.tanh(Double(x)))
    case .relu: x <= 0 ? 0 : x
    case .leakyReLU: x > 0 ? x : Scalar(Activation.leakySlope) * x
    case .gelu: x * normalShare(below: x)
    case .geluTanh: x * (1 + Scalar(Foundation.tanh(Double(tanhArgument(x))))) / 2
    case .silu: x * sigmoid(x)
    }
  }

  private static func sigmoid(_ x: Scalar) -> Scalar { 1 / (1 + exponential(-x)) }

  /// Φ(x)
  private static func normalShare(below x: Scalar) -> Scalar {
    Scalar(Foundation.erfc(-Double(x) * 0.5.squareRoot()) / 2)
  }

  private static func tanhArgument(_ x: Scalar) -> Scalar {
    (2 / Scalar.pi).squareRoot() * (x + 0.044715 * x * x * x)
  }
}
