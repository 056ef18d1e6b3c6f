import CKernels
import TensorCore

/// An optimizer at work on a range of the parameter vector: the state that belongs to it, and the update,
/// one fused pass over every run of parameters with the same settings.
///
/// With owners of slices each rank has one for its slice, so that state exists once among all ranks.
/// A step is `penalize`, `prepare` where there are `norms`, the exchange of their block sums, and `update`.
package final class OptimizerState {
  package let rule: UpdateRule
  /// The part of the parameter vector that is updated here.
  package let range: Range<Int>
  /// The names of `vectors`: the rule's, `ema` for the average of the parameters, `master` for what they were rounded from.
  package let names: [String]
  /// Element 0 belongs to parameter element `range.lowerBound`.
  package let vectors: [Arena<Float>]
  /// What the owners tell each other between `prepare` and `update`; nil for rules that need no norms.
  package let norms: ParameterNorms?

  /// The exponential moving average of the parameters, if one is kept.
  package let average: Arena<Float>?

  /// The range of the parameters as the updates make them, where all compute with rounded ones.
  package let master: Arena<Float>?

  /// Whether `update` makes the last addition of the gradients by itself.
  package var addsRest: Bool {
    switch rule {
    case .sgd, .adam, .adamW: !penalizes
    default: false
    }
  }

  private let parts: [Part]
  private let penalizes: Bool
  private let averageDecay: Double?

  /// Neighbours that are updated alike; of a rule with norms one parameter.
  private struct Part {
    /// Relative to the slice.
    var range: Range<Int>
    let settings: ParameterSettings
    let parameter: Int
  }

  /// - Parameter keepsMaster: whether there is a `master`.
  package init(_ optimizer: Optimizer, layout: VectorLayout, range: Range<Int>, keepsMaster: Bool = false) {
    rule = optimizer.rule
    self.range = range
    averageDecay = optimizer.averageDecay
    names = rule.stateNames + (averageDecay == nil ? [] : ["ema"]) + (keepsMaster ? ["master"] : [])
    norms = rule.usesNorms ? ParameterNorms(layout, optimizer: optimizer, range: range) : nil
    average = averageDecay == nil ? nil : Arena(count: range.count)
    master = keepsMaster ? Arena(count: range.count) : nil
    vectors = Self.vectors(optimizer.rule, count: range.count) + [average, master].compactMap { $0 }
    parts = Self.parts(optimizer, layout, range)
    // Of all parameters, not of the range's: owners must round alike.
    penalizes = layout.entries.map(optimizer.settings).contains { $0.l1 != 0 || $0.l2 != 0 }
  }

  /// One rule for the whole range, whatever parameters it belongs to.
  package init(_ rule: UpdateRule, range: Range<Int>) {
    precondition(!rule.usesNorms, "norms are those of parameters, which are not known here")
    self.rule = rule
    self.range = range
    averageDecay = nil
    names = rule.stateNames
    norms = nil
    (average, master) = (nil, nil)
    vectors = Self.vectors(rule, count: range.count)
    let settings = ParameterSettings(weightDecay: rule.weightDecay)
    parts = [Part(range: 0..<range.count, settings: settings, parameter: 0)]
    penalizes = false
  }

  private static func vectors(_ rule: UpdateRule, count: Int) -> [Arena<Float>] {
    rule.stateNames.map { _ in
      let vector = Arena<Float>(count: count)
      vector.base.update(repeating: rule.initialState, count: count)
      return vector
    }
  }

  private static func parts(
    _ optimizer: Optimizer, _ layout: VectorLayout, _ range: Range<Int>
  ) -> [Part] {
    var parts: [Part] = []
    for (parameter, entry) in layout.entries.enumerated() {
      let whole = entry.offset..<entry.offset + entry.shape.count.alignedToVector
      let own = whole.clamped(to: range)
      let settings = optimizer.settings(for: entry)
      guard !own.isEmpty, !settings.isFrozen else { continue }
      let local = own.lowerBound - range.lowerBound..<own.upperBound - range.lowerBound
      if let last = parts.last, !optimizer.rule.usesNorms, last.settings == settings,
        last.range.upperBound == local.lowerBound
      {
        parts[parts.count - 1].range = last.range.lowerBound..<local.upperBound
      } else {
        parts.append(Part(range: local, settings: settings, parameter: parameter))
      }
    }
    return parts
  }

  /// Adds the gradients of the penalties, where there are any.
  ///
  /// - Parameters:
  ///   - elements: a part of the range; nil: all of it.
  ///   - gradients: sums over the batch, for these elements only.
  ///   - scale: 1/samples.
  /// - Returns: the scale that the gradients still need.
  package func penalize(
    _ elements: Range<Int>? = nil, parameters: UnsafePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, scale: Float
  ) -> Float {
    guard penalizes else { return scale }
    forEachPart(of: elements) { part, local, position in
      let settings = part.settings
      lockstep_penalize(
        scale, Float(settings.l1), Float(settings.l2), gradients + position,
        parameters + range.lowerBound + local.lowerBound, local.count)
    }
    return 1
  }

  /// Calls `body` for every part that shares elements with `elements`, with these, counted from the beginning of
  /// the range, and the place of their first among `elements`.
  private func forEachPart(
    of elements: Range<Int>?, _ body: (_ part: Part, _ local: Range<Int>, _ position: Int) -> Void
  ) {
    let elements = elements ?? range
    precondition(
      elements.isEmpty || (elements.lowerBound >= range.lowerBound && elements.upperBound <= range.upperBound)
    )
    let wanted = elements.lowerBound - range.lowerBound..<elements.upperBound - range.lowerBound
    var index = firstPart(endingBehind: wanted.lowerBound)
    while index < parts.count, parts[index].range.lowerBound < wanted.upperBound {
      let local = parts[index].range.clamped(to: wanted)
      body(parts[index], local, local.lowerBound - wanted.lowerBound)
      index += 1
    }
  }

  private func firstPart(endingBehind place: Int) -> Int {
    var (low, high) = (0, parts.count)
    while low < high {
      let middle = (low + high) / 2
      if parts[middle].range.upperBound > place { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The first half of an update by a rule that has `norms`, up to their exchange. LAMB's directions take the
  /// gradients' place.
  ///
  /// - Parameters:
  ///   - parameters: the whole vector, as all ranks have it: of it norms are taken.
  ///   - weights: what they were rounded from, of which only the range is looked at; nil: they themselves.
  package func prepare(
    parameters: UnsafePointer<Float>, weights: UnsafePointer<Float>? = nil,
    gradients: UnsafeMutablePointer<Float>, scale: Float, step: Int,
    momentum: Double? = nil
  ) {
    guard let norms else { return }
    var scale = scale
    if case .lamb(let beta1, let beta2, let epsilon, _) = rule {
      for part in parts {
        let first = part.range.lowerBound
        let settings = AdamSettings(beta1: momentum ?? beta1, beta2: beta2, epsilon: epsilon)
          .kernel(scale: scale, learningRate: 1, l2: part.settings.weightDecay, step: step)
        lockstep_lamb_direction(
          settings, gradients + first, (weights ?? parameters) + range.lowerBound + first,
          vectors[0].base + first,
          vectors[1].base + first, part.range.count)
      }
      scale = 1
    }
    norms.measure(parameters, steps: gradients, scale: scale)
  }

  /// Update number `step` (from 1) of the range, or of a part of it: the parts of one step may come in any order.
  ///
  /// - Parameters:
  ///   - elements: a part of the range; nil: all of it.
  ///   - parameters: the whole parameter vector.
  ///   - gradients: sums over the batch, for these elements only; after `prepare` what that left.
  ///   - rest: what is still to be added to `gradients`, element by element, where the state `addsRest`.
  ///   - scale: makes the sums the gradient to use: 1/samples, times what clipping leaves.
  ///   - momentum: in place of the rule's momentum or β₁.
  package func update(
    _ elements: Range<Int>? = nil, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    rest: UnsafePointer<Float>? = nil, scale: Float, learningRate: Double, step: Int, momentum: Double? = nil
  ) {
    precondition(rest == nil || addsRest)
    let rule = momentum.map(rule.with(momentum:)) ?? rule
    forEachPart(of: elements) { part, local, position in
      update(
        part, local, rule, parameters + range.lowerBound, gradients + position, rest.map { $0 + position },
        scale: scale, learningRate: learningRate * part.settings.learningRateFactor, step: step)
    }
    guard let averageDecay, let average else { return }
    let elements = elements ?? range
    let (w, mean) = (
      parameters + elements.lowerBound, average.base + (elements.lowerBound - range.lowerBound)
    )
    if step == 1 {
      mean.update(from: w, count: elements.count)
    } else {
      lockstep_follow(Float(averageDecay), Float(1 - averageDecay), w, mean, elements.count)
    }
  }

  /// - Parameters:
  ///   - local: the elements, counted from the beginning of the range, of the part.
  ///   - g: their gradients, to which `h` is to be added, where there is one.
  private func update(
    _ part: Part, _ local: Range<Int>, _ rule: UpdateRule, _ parameters: UnsafeMutablePointer<Float>,
    _ g: UnsafePointer<Float>, _ h: UnsafePointer<Float>?, scale: Float, learningRate: Double, step: Int
  ) {
    let (first, count) = (local.lowerBound, local.count)
    let (w, decay) = (parameters + first, part.settings.weightDecay)
    func state(_ index: Int) -> UnsafeMutablePointer<Float> { vectors[index].base + first }
    func sgd(_ momentum: Double, _ dampening: Double, _ nesterov: Bool, decay: Double, scale: Float) {
      let settings = lockstep_sgd(
        scale: scale, learning_rate: Float(learningRate), momentum: Float(momentum),
        undampened: step == 1 ? 1 : Float(1 - dampening), weight_decay: Float(decay),
        nesterov: nesterov ? 1 : 0)
      lockstep_sgd_update(settings, g, h, w, momentum == 0 ? nil : state(0), count)
    }

    switch rule {
    case .sgd(let momentum, let dampening, let nesterov, _):
      sgd(momentum, dampening, nesterov, decay: decay, scale: scale)
    case .adam(let beta1, let beta2, let epsilon, _):
      let settings = AdamSettings(beta1: beta1, beta2: beta2, epsilon: epsilon)
        .kernel(scale: scale, learningRate: learningRate, l2: decay, step: step)
      lockstep_adam_update(settings, g, h, w, state(0), state(1), count)
    case .adamW(let beta1, let beta2, let epsilon, _):
      var settings = AdamSettings(beta1: beta1, beta2: beta2, epsilon: epsilon)
        .kernel(scale: scale, learningRate: learningRate, l2: 0, step: step)
      settings.decay_factor = Float(1 - learningRate * decay)
      lockstep_adam_update(settings, g, h, w, state(0), state(1), count)
    case .rmsprop(let alpha, let epsilon, let momentum, let centered, _):
      let settings = lockstep_rmsprop(
        scale: scale, learning_rate: Float(learningRate), alpha: Float(alpha), rest: Float(1 - alpha),
        momentum: Float(momentum), epsilon: Float(epsilon), weight_decay: Float(decay))
      let hasVelocity = momentum != 0
      lockstep_rmsprop_update(
        settings, g, w, state(0), hasVelocity ? state(1) : nil, centered ? state(hasVelocity ? 2 : 1) : nil,
        count)
    case .adagrad(let rateDecay, _, let epsilon, _):
      let settings = lockstep_adagrad(
        scale: scale, learning_rate: Float(learningRate / (1 + Double(step - 1) * rateDecay)),
        epsilon: Float(epsilon), weight_decay: Float(decay))
      lockstep_adagrad_update(settings, g, w, state(0), count)
    case .lars(let momentum, let nesterov, let trust, let epsilon, _):
      let ratio = trustRatio(part) { trust * $0 / ($1 + decay * $0 + epsilon) }
      sgd(momentum, 0, nesterov, decay: decay * ratio, scale: Float(Double(scale) * ratio))
    case .lamb:
      sgd(0, 0, false, decay: 0, scale: Float(trustRatio(part) { $0 / $1 }))
    case .lion(let beta1, let beta2, _):
      let settings = lockstep_lion(
        scale: scale, learning_rate: Float(learningRate), beta1: Float(beta1), rest1: Float(1 - beta1),
        beta2: Float(beta2), rest2: Float(1 - beta2), decay_factor: Float(1 - learningRate * decay))
      lockstep_lion_update(settings, g, w, state(0), count)
    }
  }

  /// 1 where a parameter is not adapted, or one of its norms is 0.
  private func trustRatio(_ part: Part, _ ratio: (_ weight: Double, _ step: Double) -> Double) -> Double {
    guard let norms, part.settings.isAdapted else { return 1 }
    let (weight, step) = norms.norms(ofParameter: part.parameter)
    return weight > 0 && step > 0 ? ratio(weight, step) : 1
  }

  /// Exchanges the range of the parameters with their average; again, and all is as before.
  package func swapAverage(with parameters: UnsafeMutablePointer<Float>) {
    guard let average else { return }
    lockstep_swap(parameters + range.lowerBound, average.base, range.count)
  }
}

/// Adam's numbers, for the fused loops.
private struct AdamSettings {
  let beta1: Double
  let beta2: Double
  let epsilon: Double

  func kernel(scale: Float, learningRate: Double, l2: Double, step: Int) -> lockstep_adam {
    let correction1 = 1 - Self.power(beta1, step)
    let correction2 = 1 - Self.power(beta2, step)
    return lockstep_adam(
      scale: scale, step_size: Float(learningRate / correction1), beta1: Float(beta1),
      rest1: Float(1 - beta1), beta2: Float(beta2), rest2: Float(1 - beta2),
      root_correction: Float(1 / correction2.squareRoot()), epsilon: Float(epsilon), l2: Float(l2),
      decay_factor: 1)
  }

  /// By squaring: the same on every machine, which a library's pow need not be.
  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
