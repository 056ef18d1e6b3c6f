import Foundation

/// How the learning rate changes over the steps of a run.
public enum Schedule: Sendable, Equatable {
  case constant
  /// × `factor` after every `every` steps.
  case step(every: Int, factor: Double)
  /// Linear warm-up over `warmup` steps, base·(t + 1)/warmup, then half a cosine from base to `minimum` at
  /// `total` steps, minimum + ½(base − minimum)(1 + cos π(t − warmup)/(total − warmup)); `minimum` after it.
  case cosine(warmup: Int, total: Int, minimum: Double)

  /// The learning rate of step `step`, from 0, where `base` is the optimizer's.
  public func learningRate(base: Double, step: Int) -> Double {
    switch self {
    case .constant: return base
    case .step(let every, let factor): return base * pow(factor, Double(step / every))
    case .cosine(let warmup, let total, let minimum):
      if step < warmup { return base * Double(step + 1) / Double(warmup) }
      if step >= total { return minimum }
      let progress = Double(step - warmup) / Double(max(total - warmup, 1))
      return minimum + 0.5 * (base - minimum) * (1 + cos(Double.pi * progress))
    }
  }
}
