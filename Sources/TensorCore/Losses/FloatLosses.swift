import CKernels

extension FloatKernels: LossKernels {
  package static func crossEntropy(
    _ x: Input, _ labels: Labels, smoothing: Float, _ loss: Output, _ r: Int, _ c: Int
  ) {
    lockstep_cross_entropy(x, labels, smoothing, loss, r, c)
  }

  package static func crossEntropyGradient(
    _ x: Input, _ labels: Labels, smoothing: Float, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    lockstep_cross_entropy_gradient(x, labels, smoothing, dl, dx, r, c)
  }

  package static func softCrossEntropy(
    _ x: Input, _ target: Input, smoothing: Float, _ loss: Output, _ r: Int, _ c: Int
  ) {
    lockstep_soft_cross_entropy(x, target, smoothing, loss, r, c)
  }

  package static func softCrossEntropyGradient(
    _ x: Input, _ target: Input, smoothing: Float, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    lockstep_soft_cross_entropy_gradient(x, target, smoothing, dl, dx, r, c)
  }

  package static func valueLoss(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ loss: Output, _ r: Int, _ c: Int
  ) {
    lockstep_value_loss(kind.kernel, kind.delta, prediction, target, loss, r, c)
  }

  package static func valueLossGradient(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int
  ) {
    lockstep_value_loss_gradient(kind.kernel, kind.delta, prediction, target, dl, dx, r, c)
  }

  package static func countCorrect(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Int {
    lockstep_count_correct(x, labels, r, c)
  }

  package static func countAgreeing(_ x: Input, _ target: Input, _ r: Int, _ c: Int) -> Int {
    lockstep_count_agreeing(x, target, r, c)
  }
}

extension ValueLoss {
  fileprivate var kernel: lockstep_value_loss_kind {
    switch self {
    case .squared: lockstep_squared_loss
    case .absolute: lockstep_absolute_loss
    case .huber: lockstep_huber_loss
    case .binaryCrossEntropy: lockstep_binary_cross_entropy_loss
    }
  }

  fileprivate var delta: Float { if case .huber(let delta) = self { Float(delta) } else { 0 } }
}
