/// How far predicted values are from wanted ones, element by element.
package enum ValueLoss: Hashable, Sendable {
  /// (p − t)²
  case squared
  /// |p − t|; its derivative at 0 is taken as 0.
  case absolute
  /// ½(p − t)² within δ of the target, δ(|p − t| − δ/2) beyond; Huber 1964.
  case huber(delta: Double)
  /// −t log σ(p) − (1 − t) log(1 − σ(p)): p is a logit, t in 0...1.
  case binaryCrossEntropy
}

/// Losses, a number a row, and their gradients: dl[r] is the gradient that arrives at row r's loss.
///
/// The targets of cross-entropy are smoothed: q = (1 − ε)·t + ε/c (Szegedy et al. 2016), with t one-hot where
/// labels are given.
package protocol LossKernels: KernelBase {
  /// loss[r] = −Σ_c q[r, c] log softmax(x[r])[c]
  static func crossEntropy(
    _ x: Input, _ labels: Labels, smoothing: Scalar, _ loss: Output, _ r: Int, _ c: Int)
  /// dx = dl · (softmax(x) − q)
  static func crossEntropyGradient(
    _ x: Input, _ labels: Labels, smoothing: Scalar, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int)
  /// The same for targets that are probabilities, [r, c].
  static func softCrossEntropy(
    _ x: Input, _ target: Input, smoothing: Scalar, _ loss: Output, _ r: Int, _ c: Int)
  /// dx = dl · (softmax(x) · Σ_c q − q)
  static func softCrossEntropyGradient(
    _ x: Input, _ target: Input, smoothing: Scalar, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int)
  /// loss[r] = (1/c) Σ_c kind(prediction, target)
  static func valueLoss(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ loss: Output, _ r: Int, _ c: Int)
  /// dx = dl/c · ∂kind/∂prediction
  static func valueLossGradient(
    _ kind: ValueLoss, _ prediction: Input, _ target: Input, _ dl: Input, _ dx: Output, _ r: Int, _ c: Int)
  /// The rows whose largest element is the label's; of equal ones the first counts.
  static func countCorrect(_ x: Input, _ labels: Labels, _ r: Int, _ c: Int) -> Int
  /// The rows whose largest element is at the place of the target's largest; of equal ones the first counts.
  static func countAgreeing(_ x: Input, _ target: Input, _ r: Int, _ c: Int) -> Int
}
