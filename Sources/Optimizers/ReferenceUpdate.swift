import Foundation

/// The update rules as their formulas say, for one parameter: what the fused loops are tested against.
package struct ReferenceUpdate {
  package var weights: [Double]
  /// By the vectors' position in `stateNames`, then by element.
  package var state: [[Double]]

  package init(weights: [Double], rule: UpdateRule) {
    self.weights = weights
    state = rule.stateNames.map { _ in weights.map { _ in Double(rule.initialState) } }
  }

  /// - Parameter settings: nil: those of the rule alone.
  package mutating func apply(
    _ rule: UpdateRule, gradients: [Double], learningRate: Double, step: Int,
    settings: ParameterSettings? = nil
  ) {
    let settings = settings ?? ParameterSettings(weightDecay: rule.weightDecay)
    guard !settings.isFrozen else { return }
    let (rate, decay) = (learningRate * settings.learningRateFactor, settings.weightDecay)
    let steps = zip(gradients, weights).map { g, w in g + decay * w }
    switch rule {
    case .sgd(let momentum, let dampening, let nesterov, _):
      sgd(steps, momentum, dampening, nesterov, rate, step)
    case .adam(let beta1, let beta2, let epsilon, _):
      move(along: adam(steps, beta1, beta2, epsilon, step), rate)
    case .adamW(let beta1, let beta2, let epsilon, _):
      weights = weights.map { $0 - rate * decay * $0 }
      move(along: adam(gradients, beta1, beta2, epsilon, step), rate)
    case .rmsprop(let alpha, let epsilon, let momentum, let centered, _):
      for (i, g) in steps.enumerated() {
        state[0][i] = alpha * state[0][i] + (1 - alpha) * g * g
        var variance = state[0][i]
        if centered {
          let last = state.count - 1
          state[last][i] = alpha * state[last][i] + (1 - alpha) * g
          variance -= state[last][i] * state[last][i]
        }
        var direction = g / (max(variance, 0).squareRoot() + epsilon)
        if momentum != 0 {
          state[1][i] = momentum * state[1][i] + direction
          direction = state[1][i]
        }
        weights[i] -= rate * direction
      }
    case .adagrad(let rateDecay, _, let epsilon, _):
      for (i, g) in steps.enumerated() {
        state[0][i] += g * g
        weights[i] -= rate / (1 + Double(step - 1) * rateDecay) * g / (state[0][i].squareRoot() + epsilon)
      }
    case .lars(let momentum, let nesterov, let trust, let epsilon, _):
      let (weight, gradient) = (norm(weights), norm(gradients))
      let isAdapted = settings.isAdapted && weight > 0 && gradient > 0
      let ratio = isAdapted ? trust * weight / (gradient + decay * weight + epsilon) : 1
      sgd(steps.map { $0 * ratio }, momentum, 0, nesterov, rate, step)
    case .lamb(let beta1, let beta2, let epsilon, _):
      let directions = zip(adam(gradients, beta1, beta2, epsilon, step), weights).map { $0 + decay * $1 }
      let (weight, length) = (norm(weights), norm(directions))
      let isAdapted = settings.isAdapted && weight > 0 && length > 0
      move(along: directions, isAdapted ? rate * weight / length : rate)
    case .lion(let beta1, let beta2, _):
      for (i, g) in gradients.enumerated() {
        let mixed = beta1 * state[0][i] + (1 - beta1) * g
        weights[i] -= rate * decay * weights[i] + rate * (mixed > 0 ? 1 : mixed < 0 ? -1 : 0)
        state[0][i] = beta2 * state[0][i] + (1 - beta2) * g
      }
    }
  }

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  private mutating func move(along directions: [Double], _ learningRate: Double) {
    for (i, direction) in directions.enumerated() { weights[i] -= learningRate * direction }
  }

  private mutating func sgd(
    _ gradients: [Double], _ momentum: Double, _ dampening: Double, _ nesterov: Bool, _ learningRate: Double,
    _ step: Int
  ) {
    guard momentum != 0 else { return move(along: gradients, learningRate) }
    for (i, g) in gradients.enumerated() {
      state[0][i] = step == 1 ? g : momentum * state[0][i] + (1 - dampening) * g
      weights[i] -= learningRate * (nesterov ? g + momentum * state[0][i] : state[0][i])
    }
  }

  /// m̂ / (√v̂ + ε).
  private mutating func adam(
    _ gradients: [Double], _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ step: Int
  ) -> [Double] {
    gradients.enumerated().map { i, g in
      state[0][i] = beta1 * state[0][i] + (1 - beta1) * g
      state[1][i] = beta2 * state[1][i] + (1 - beta2) * g * g
      let first = state[0][i] / (1 - pow(beta1, Double(step)))
      let second = state[1][i] / (1 - pow(beta2, Double(step)))
      return first / (second.squareRoot() + epsilon)
    }
  }
}
