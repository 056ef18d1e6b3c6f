import Foundation

extension ReferenceKernels: LossKernels {
  package static func crossEntropy(
    _ x: Input, _ labels: Labels, smoothing: Scalar, _ loss: Output, _ r: Int, _ c: Int
  ) {
    withOneHot(labels, r, c) { softCrossEntropy(x, $0, smoothing: smoothing, loss, r, c) }
  }

  package static func crossEntropyGradient(
    _ x: Input, _ labels: Labels, smoothing: Scalar, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    withOneHot(labels, r, c) {
      softCrossEntropyGradient(x, $0, smoothing: smoothing, dl, dx, r, c)
    }
  }

  package static func softCrossEntropy(
    _ x: Input, _ target: Input, smoothing: Scalar, _ loss: Output, _ r: Int, _ c: Int
  ) {
    for row in 0..<r {
      let logits = (0..<c).map { x[row * c + $0] }
      let largest = logits.max() ?? 0
      let sum = logits.reduce(0) { $0 + exponential($1 - largest) }
      let logarithm = largest + Scalar(Foundation.log(Double(sum)))
      loss[row] = 0
      for k in 0..<c {
        loss[row] += smoothed(target[row * c + k], smoothing, c) * (logarithm - logits[k])
      }
    }
  }

  package static func softCrossEntropyGradient(
    _ x: Input, _ target: Input, smoothing: Scalar, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    let factors = (0..<r).map { dl[$0] }
    softmax(x, dx, r, c)
    for row in 0..<r {
      let q = (0..<c).map { smoothed(target[row * c + $0], smoothing, c) }
      let total = q.reduce(0, +)
      for k in 0..<c { dx[row * c + k] = factors[row] * (dx[row * c + k] * total - q[k]) }
    }
  }

  package static func valueLoss(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ loss: Output, _ r: Int, _ c: Int
  ) {
    for row in 0..<r {
      var sum: Scalar = 0
      for k in row * c..<(row + 1) * c {
        let (p, t) = (prediction[k], target[k])
        let distance = (p - t).magnitude
        switch kind {
        case .squared: sum += distance * distance
        case .absolute: sum += distance
        case .huber(let delta):
          let delta = Scalar(delta)
          sum += distance <= delta ? distance * distance / 2 : delta * (distance - delta / 2)
        case .binaryCrossEntropy:
          sum += max(p, 0) - p * t + Scalar(Foundation.log1p(Double(exponential(-p.magnitude))))
        }
      }
      loss[row] = sum / Scalar(c)
    }
  }

  package static func valueLossGradient(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    for row in 0..<r {
      let factor = dl[row] / Scalar(c)
      for k in row * c..<(row + 1) * c {
        let (p, t) = (prediction[k], target[k])
        switch kind {
        case .squared: dx[k] = factor * 2 * (p - t)
        case .absolute: dx[k] = p == t ? 0 : p > t ? factor : -factor
        case .huber(let delta): dx[k] = factor * max(-Scalar(delta), min(Scalar(delta), p - t))
        case .binaryCrossEntropy: dx[k] = factor * (1 / (1 + exponential(-p)) - t)
        }
      }
    }
  }

  package static func countCorrect(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Int {
    (0..<r).count { largest(x + $0 * c, c) == Int(labels[$0]) }
  }

  package static func countAgreeing(_ x: Input, _ target: Input, _ r: Int, _ c: Int) -> Int {
    (0..<r).count { largest(x + $0 * c, c) == largest(target + $0 * c, c) }
  }

  private static func largest(_ x: Input, _ c: Int) -> Int {
    var best = 0
    for k in 0..<c where x[k] > x[best] { best = k }
    return best
  }

  private static func smoothed(_ target: Scalar, _ smoothing: Scalar, _ c: Int) -> Scalar {
    (1 - smoothing) * target + smoothing / Scalar(c)
  }

  private static func withOneHot(_ labels: Labels, _ r: Int, _ c: Int, _ body: (Input) -> Void) {
    var target = [Scalar](repeating: 0, count: r * c)
    for row in 0..<r { target[row * c + Int(labels[row])] = 1 }
    target.withUnsafeBufferPointer { if let base = $0.baseAddress { body(base) } }
  }
}
