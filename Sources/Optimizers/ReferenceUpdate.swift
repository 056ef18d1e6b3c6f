import Foundation

/// The update rules as their formulas say, for one element: what the fused loops are tested against.
package struct ReferenceUpdate {
  package var weight: Double
  package var state: [Double]

  package init(weight: Double, rule: UpdateRule) {
    self.weight = weight
    state = rule.stateNames.map { _ in 0 }
  }

  package mutating func apply(_ rule: UpdateRule, gradient: Double, learningRate: Double, step: Int) {
    switch rule {
    case .sgd(let momentum, let dampening, let nesterov, let weightDecay):
      let g = gradient + weightDecay * weight
      guard momentum != 0 else {
        weight -= learningRate * g
        return
      }
      state[0] = step == 1 ? g : momentum * state[0] + (1 - dampening) * g
      weight -= learningRate * (nesterov ? g + momentum * state[0] : state[0])
    case .adam(let beta1, let beta2, let epsilon, let weightDecay):
      adam(gradient + weightDecay * weight, beta1, beta2, epsilon, learningRate, step)
    case .adamW(let beta1, let beta2, let epsilon, let weightDecay):
      weight -= learningRate * weightDecay * weight
      adam(gradient, beta1, beta2, epsilon, learningRate, step)
    }
  }

  private mutating func adam(
    _ g: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ learningRate: Double, _ step: Int
  ) {
    state[0] = beta1 * state[0] + (1 - beta1) * g
    state[1] = beta2 * state[1] + (1 - beta2) * g * g
    let first = state[0] / (1 - pow(beta1, Double(step)))
    let second = state[1] / (1 - pow(beta2, Double(step)))
    weight -= learningRate * first / (second.squareRoot() + epsilon)
  }
}
