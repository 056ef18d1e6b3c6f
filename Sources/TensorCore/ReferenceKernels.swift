import Foundation

/// Every kernel as its formula says, in plain loops: slow, obvious, and over any floating-point type.
package enum ReferenceKernels<Scalar: BinaryFloatingPoint & BitwiseCopyable>: KernelSet {
  package typealias Input = UnsafePointer<Scalar>
  package typealias Output = UnsafeMutablePointer<Scalar>
  package typealias Labels = UnsafePointer<Int32>

  package static func matrixProduct(
    _ form: MatrixForm, _ a: Input, _ b: Input, bias: Input?, activation: Activation?, _ y: Output,
    scratch: Output
  ) {
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
    biasActivate(activation, bias, y, form.rows, form.columns)
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

  package static func addBiasAndResidual(
    _ bias: Input?, _ residual: Input, _ y: Output, _ r: Int, _ c: Int
  ) {
    for index in 0..<r * c { y[index] = y[index] + (bias.map { $0[index % c] } ?? 0) + residual[index] }
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

  package static func copyRuns(
    _ x: Input, _ y: Output, rows: Int, length: Int, xStride: Int, yStride: Int
  ) {
    for row in 0..<rows {
      for i in 0..<length { y[row * yStride + i] = x[row * xStride + i] }
    }
  }

  package static func transpose(_ form: TransposeForm, _ x: Input, _ y: Output) {
    for o in 0..<form.outer {
      for a in 0..<form.first {
        for m in 0..<form.middle {
          for b in 0..<form.second {
            let from = ((o * form.first + a) * form.middle + m) * form.second + b
            let to = ((o * form.second + b) * form.middle + m) * form.first + a
            for i in 0..<form.inner { y[to * form.inner + i] = x[from * form.inner + i] }
          }
        }
      }
    }
  }

  package static func oneHot(_ labels: Labels, _ y: Output, _ r: Int, _ c: Int) {
    for row in 0..<r {
      for column in 0..<c { y[row * c + column] = column == Int(labels[row]) ? 1 : 0 }
    }
  }

  package static func isSummable(_ x: Input, _ n: Int) -> Bool {
    (0..<n).allSatisfy { x[$0].magnitude <= Scalar(Float.greatestFiniteMagnitude) / 65536 }
  }

  static func exponential(_ x: Scalar) -> Scalar { Scalar(Foundation.exp(Double(x))) }

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
