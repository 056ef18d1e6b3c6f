import Foundation

/// How the learning rate changes over the steps of a run. Every schedule but one-cycle may begin with a
/// linear warm-up, base·(t + 1)/warmup for its first `warmup` steps. Formulas as PyTorch's schedulers.
public enum Schedule: Sendable, Equatable {
  case constant(warmup: Int = 0)
  /// × `factor` after every `every` steps, counted from the start of the run.
  case step(every: Int, factor: Double, warmup: Int = 0)
  /// × `factor` after each of the milestones, in steps from the start of the run, ascending.
  case multiStep(milestones: [Int], factor: Double, warmup: Int = 0)
  /// base·factor^(t/every), every step a little.
  case exponential(factor: Double, every: Int = 1, warmup: Int = 0)
  /// After the warm-up half a cosine from base to `minimum` at `total` steps,
  /// minimum + ½(base − minimum)(1 + cos π(t − warmup)/(total − warmup)); `minimum` after it.
  case cosine(warmup: Int, total: Int, minimum: Double)
  /// After the warm-up minimum + (base − minimum)(1 − (t − warmup)/(total − warmup))^power; `minimum` after
  /// `total` steps.
  case polynomial(power: Double = 1, total: Int, minimum: Double = 0, warmup: Int = 0)
  /// Up and down again once. Smith and Topin 2018.
  case oneCycle(OneCycle)

  public static let constant = Schedule.constant(warmup: 0)

  /// The learning rate of step `step`, from 0, where `base` is the optimizer's.
  public func learningRate(base: Double, step: Int) -> Double {
    if step < warmup { return base * Double(step + 1) / Double(warmup) }
    switch self {
    case .constant: return base
    case .step(let every, let factor, _): return base * pow(factor, Double(step / every))
    case .multiStep(let milestones, let factor, _):
      var passed = 0
      for milestone in milestones where milestone <= step { passed += 1 }
      return base * pow(factor, Double(passed))
    case .exponential(let factor, let every, _): return base * pow(factor, Double(step) / Double(every))
    case .cosine(_, let total, let minimum):
      if step >= total { return minimum }
      let progress = Double(step - warmup) / Double(max(total - warmup, 1))
      return minimum + 0.5 * (base - minimum) * (1 + cos(Double.pi * progress))
    case .polynomial(let power, let total, let minimum, _):
      if step >= total { return minimum }
      let progress = Double(step - warmup) / Double(max(total - warmup, 1))
      return minimum + (base - minimum) * pow(1 - progress, power)
    case .oneCycle(let cycle): return cycle.learningRate(highest: base, step: step)
    }
  }

  /// The momentum (or β₁) of step `step`, from 0; nil: the rule's own.
  public func momentum(step: Int) -> Double? {
    if case .oneCycle(let cycle) = self { cycle.momentum(step: step) } else { nil }
  }

  private var warmup: Int {
    switch self {
    case .constant(let warmup), .step(_, _, let warmup), .multiStep(_, _, let warmup),
      .exponential(_, _, let warmup), .cosine(let warmup, _, _), .polynomial(_, _, _, let warmup):
      warmup
    case .oneCycle: 0
    }
  }
}

/// One cycle of the learning rate, over `total` steps: half a cosine from highest/startDivisor up to the
/// highest, then half a cosine down to the start/finalDivisor; the momentum goes the other way. The highest
/// is the optimizer's learning rate.
public struct OneCycle: Sendable, Equatable {
  public var total: Int
  /// The part of the steps in which the learning rate rises.
  public var rising = 0.3
  public var startDivisor = 25.0
  public var finalDivisor = 1e4
  /// From the upper end to the lower, and back; nil: momentum stays as it is.
  public var momentum: ClosedRange<Double>? = 0.85...0.95

  public init(total: Int) { self.total = total }

  func learningRate(highest: Double, step: Int) -> Double {
    let start = highest / startDivisor
    return value(step, start: start, peak: highest, end: start / finalDivisor)
  }

  func momentum(step: Int) -> Double? {
    momentum.map { value(step, start: $0.upperBound, peak: $0.lowerBound, end: $0.upperBound) }
  }

  /// The peak is at step rising·total − 1, the end at the last step, and after it.
  private func value(_ step: Int, start: Double, peak: Double, end: Double) -> Double {
    let (last, turn) = (Double(total - 1), rising * Double(total) - 1)
    let now = min(Double(step), last)
    func anneal(_ from: Double, _ to: Double, _ progress: Double) -> Double {
      to + (from - to) / 2 * (1 + cos(Double.pi * progress))
    }
    if now <= turn { return anneal(start, peak, turn > 0 ? now / turn : 1) }
    return last > turn ? anneal(peak, end, (now - turn) / (last - turn)) : end
  }
}
