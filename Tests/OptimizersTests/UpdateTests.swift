import TensorCore
import Testing

import Optimizers

@Suite struct UpdateTests {
  static let rules: [UpdateRule] = [
    .sgd(), .sgd(weightDecay: 0.1), .sgd(momentum: 0.9), .sgd(momentum: 0.9, weightDecay: 0.1),
    .sgd(momentum: 0.9, dampening: 0.5), .sgd(momentum: 0.8, nesterov: true),
    .sgd(momentum: 0.8, nesterov: true, weightDecay: 0.1), .adam(), .adam(weightDecay: 0.1),
    .adam(beta1: 0.8, beta2: 0.95, epsilon: 0.01), .adam(beta1: 0, beta2: 0.5), .adamW(),
    .adamW(beta1: 0.8, beta2: 0.99, epsilon: 1e-3, weightDecay: 0.3),
    .rmsprop(), .rmsprop(alpha: 0.8, epsilon: 1e-3, weightDecay: 0.1), .rmsprop(momentum: 0.9),
    .rmsprop(alpha: 0.9, epsilon: 0.1, centered: true),
    .rmsprop(alpha: 0.9, epsilon: 0.1, momentum: 0.8, centered: true, weightDecay: 0.1),
    .adagrad(), .adagrad(learningRateDecay: 0.1, initialAccumulator: 0.5, epsilon: 1e-3, weightDecay: 0.1),
    .lion(), .lion(beta1: 0.8, beta2: 0.9, weightDecay: 0.3),
  ]

  private func values(_ count: Int, _ seed: UInt64) -> [Float] {
    var stream = RandomStream(seed: seed, purpose: .test)
    return (0..<count).map { _ in stream.normal() }
  }

  private let scale: Float = 1.0 / 64

  @Test(arguments: rules) func theFusedUpdateFollowsTheFormula(_ rule: UpdateRule) {
    for count in [1, 2, 3, 15, 16, 17, 31, 33, 100, 1000] {
      let state = OptimizerState(rule, range: 0..<count)
      let start = values(count, 1)
      let weights = Arena<Float>(count: count)
      for index in 0..<count { weights.base[index] = start[index] }
      var reference = ReferenceUpdate(weights: start.map(Double.init), rule: rule)
      // State rounds relative to the largest that it has been: sums may cancel later.
      var largest = reference.state.map { $0.map { _ in 1.0 } }
      for step in 1...12 {
        let gradients = values(count, UInt64(10 + step)).map { $0 * 64 }
        let learningRate = 0.05 / Double(step)
        state.update(
          parameters: weights.base, gradients: gradients, scale: scale, learningRate: learningRate, step: step
        )
        reference.apply(
          rule, gradients: gradients.map { Double($0) / 64 }, learningRate: learningRate, step: step)
        // Each step rounds a few times relative to a weight of about one.
        for index in 0..<count {
          let distance = abs(Double(weights.base[index]) - reference.weights[index])
          #expect(distance <= 3e-7 * Double(step) * max(1, abs(reference.weights[index])))
          for (position, vector) in state.vectors.enumerated() {
            let expected = reference.state[position][index]
            largest[position][index] = max(largest[position][index], abs(expected))
            let distance = abs(Double(vector.base[index]) - expected)
            #expect(distance <= 3e-7 * Double(step) * largest[position][index])
          }
        }
      }
    }
  }

  @Test(arguments: rules) func theLastAdditionMadeInTheUpdateGivesTheSameBits(_ rule: UpdateRule) {
    let count = 333
    let (added, left) = (Arena<Float>(count: count), Arena<Float>(count: count))
    for (index, value) in values(count, 1).enumerated() {
      added.base[index] = value
      left.base[index] = value
    }
    let states = [OptimizerState(rule, range: 0..<count), OptimizerState(rule, range: 0..<count)]
    guard states[0].addsRest else { return }
    for step in 1...3 {
      let (mine, other) = (values(count, UInt64(30 + step)), values(count, UInt64(40 + step)))
      let sums = zip(mine, other).map { $0 + $1 }
      states[0].update(parameters: added.base, gradients: sums, scale: 0.5, learningRate: 0.1, step: step)
      // From an element in the middle on, as owners of slices take them.
      for part in [0..<100, 100..<count] {
        mine.withUnsafeBufferPointer { mine in
          other.withUnsafeBufferPointer { other in
            guard let first = mine.baseAddress, let second = other.baseAddress else { return }
            states[1].update(
              part, parameters: left.base, gradients: first + part.lowerBound, rest: second + part.lowerBound,
              scale: 0.5, learningRate: 0.1, step: step)
          }
        }
      }
    }
    #expect(added.buffer.elementsEqual(left.buffer))
    for (one, other) in zip(states[0].vectors, states[1].vectors) {
      #expect(one.buffer.elementsEqual(other.buffer))
    }
  }

  @Test(arguments: rules) func slicesGiveTheBitsOfTheWhole(_ rule: UpdateRule) {
    let count = 1000
    for cuts in [[0, 1000], [0, 16, 1000], [0, 1, 18, 333, 334, 997, 1000], [0, 500, 500, 1000]] {
      let (whole, parts) = (Arena<Float>(count: count), Arena<Float>(count: count))
      for (index, value) in values(count, 1).enumerated() {
        whole.base[index] = value
        parts.base[index] = value
      }
      let state = OptimizerState(rule, range: 0..<count)
      let slices = zip(cuts, cuts.dropFirst()).map { OptimizerState(rule, range: $0..<$1) }
      for step in 1...5 {
        let gradients = values(count, UInt64(20 + step))
        gradients.withUnsafeBufferPointer { gradients in
          guard let base = gradients.baseAddress else { return }
          state.update(
            parameters: whole.base, gradients: base, scale: 0.5, learningRate: 0.1, step: step)
          for slice in slices {
            slice.update(
              parameters: parts.base, gradients: base + slice.range.lowerBound, scale: 0.5, learningRate: 0.1,
              step: step)
          }
        }
      }
      #expect(whole.buffer.map(\.bitPattern) == parts.buffer.map(\.bitPattern))
    }
  }

  @Test(arguments: rules) func anUpdateTouchesItsRangeOnly(_ rule: UpdateRule) {
    let weights = Arena<Float>(count: 100)
    weights.base.update(repeating: 1, count: 100)
    OptimizerState(rule, range: 33..<50).update(
      parameters: weights.base, gradients: values(17, 3), scale: 1, learningRate: 0.1, step: 1)
    for index in 0..<100 { #expect((weights.base[index] != 1) == (33..<50).contains(index)) }
  }

  @Test func everyRuleNamesItsState() {
    #expect(UpdateRule.sgd().stateNames.isEmpty)
    #expect(UpdateRule.sgd(momentum: 0.1).stateNames == ["momentum_buffer"])
    #expect(UpdateRule.adam().stateNames == ["exp_avg", "exp_avg_sq"])
    #expect(UpdateRule.adamW().stateNames == ["exp_avg", "exp_avg_sq"])
    #expect(UpdateRule.rmsprop().stateNames == ["square_avg"])
    #expect(UpdateRule.rmsprop(centered: true).stateNames == ["square_avg", "grad_avg"])
    #expect(
      UpdateRule.rmsprop(momentum: 0.1, centered: true).stateNames == [
        "square_avg", "momentum_buffer", "grad_avg",
      ])
    #expect(UpdateRule.adagrad().stateNames == ["sum"])
    #expect(UpdateRule.lars().stateNames == ["momentum_buffer"])
    #expect(UpdateRule.lamb().stateNames == ["exp_avg", "exp_avg_sq"])
    #expect(UpdateRule.lion().stateNames == ["exp_avg"])
    for rule in Self.rules {
      let state = OptimizerState(rule, range: 10..<30)
      #expect(state.vectors.map(\.count) == rule.stateNames.map { _ in 20 })
    }
  }

  /// Gaps between parameters are zero in the parameters and in the gradients, and must stay zero.
  @Test(arguments: rules) func zerosStayZero(_ rule: UpdateRule) {
    let weights = Arena<Float>(count: 16)
    let state = OptimizerState(rule, range: 0..<16)
    for step in 1...3 {
      state.update(
        parameters: weights.base, gradients: [Float](repeating: 0, count: 16), scale: 1, learningRate: 0.1,
        step: step)
    }
    #expect(weights.buffer.allSatisfy { $0 == 0 })
  }
}
