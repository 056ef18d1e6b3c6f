import CKernels
import TensorCore

/// An optimizer at work on a range of the parameter vector: the state that belongs to it, and the update,
/// one fused pass.
///
/// With owners of slices each rank has one for its slice, so that state exists once among all ranks.
package final class OptimizerState {
  package let rule: UpdateRule
  /// The part of the parameter vector that is updated here.
  package let range: Range<Int>
  /// In the order of `rule.stateNames`; element 0 belongs to parameter element `range.lowerBound`.
  package let vectors: [Arena<Float>]

  package init(_ rule: UpdateRule, range: Range<Int>) {
    self.rule = rule
    self.range = range
    vectors = rule.stateNames.map { _ in Arena<Float>(count: range.count) }
  }

  /// Update number `step` (from 1) of the range.
  ///
  /// - Parameters:
  ///   - gradients: sums over the batch, for the range only.
  ///   - scale: makes the sums the gradient to use: 1/samples, times what clipping leaves.
  ///   - parameters: the whole parameter vector.
  package func update(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, scale: Float,
    learningRate: Double,
    step: Int
  ) {
    let w = parameters + range.lowerBound
    switch rule {
    case .sgd(let momentum, let dampening, let nesterov, let weightDecay):
      let settings = lockstep_sgd(
        scale: scale, learning_rate: Float(learningRate), momentum: Float(momentum),
        undampened: step == 1 ? 1 : Float(1 - dampening), weight_decay: Float(weightDecay),
        nesterov: nesterov ? 1 : 0)
      lockstep_sgd_update(settings, gradients, w, vectors.first?.base, range.count)
    case .adam(let beta1, let beta2, let epsilon, let weightDecay):
      adam(
        w, gradients, beta1, beta2, epsilon, l2: weightDecay, decayFactor: 1, scale, learningRate, step)
    case .adamW(let beta1, let beta2, let epsilon, let weightDecay):
      adam(
        w, gradients, beta1, beta2, epsilon, l2: 0, decayFactor: 1 - learningRate * weightDecay, scale,
        learningRate, step)
    }
  }

  private func adam(
    _ w: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>, _ beta1: Double, _ beta2: Double,
    _ epsilon: Double, l2: Double, decayFactor: Double, _ scale: Float, _ learningRate: Double, _ step: Int
  ) {
    let correction1 = 1 - power(beta1, step)
    let correction2 = 1 - power(beta2, step)
    let settings = lockstep_adam(
      scale: scale, step_size: Float(learningRate / correction1), beta1: Float(beta1),
      rest1: Float(1 - beta1), beta2: Float(beta2), rest2: Float(1 - beta2),
      root_correction: Float(1 / correction2.squareRoot()), epsilon: Float(epsilon), l2: Float(l2),
      decay_factor: Float(decayFactor))
    lockstep_adam_update(settings, gradients, w, vectors[0].base, vectors[1].base, range.count)
  }

  /// By squaring: the same on every machine, which a library's pow need not be.
  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
