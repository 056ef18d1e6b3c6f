import Foundation

/// How the learning rate changes over the steps of a run. Every schedule may begin with a linear warm-up,
/// base·(t + 1)/warmup for its first `warmup` steps.
public enum Schedule: Sendable, Equatable {
  case constant(warmup: Int = 0)
  /// × `factor` after every `every` steps, counted from the start of the run.
  case step(every: Int, factor: Double, warmup: Int = 0)
  /// After the warm-up half a cosine from base to `minimum` at `total` steps,
  /// minimum + ½(base − minimum)(1 + cos π(t − warmup)/(total − warmup)); `minimum` after it.
  case cosine(warmup: Int, total: Int, minimum: Double)

  public static let constant = Schedule.constant(warmup: 0)

  /// The learning rate of step `step`, from 0, where `base` is the optimizer's.
  public func learningRate(base: Double, step: Int) -> Double {
    if step < warmup { return base * Double(step + 1) / Double(warmup) }
    switch self {
    case .constant: return base
    case .step(let every, let factor, _): return base * pow(factor, Double(step / every))
    case .cosine(_, let total, let minimum):
      if step >= total { return minimum }
      let progress = Double(step - warmup) / Double(max(total - warmup, 1))
      return minimum + 0.5 * (base - minimum) * (1 + cos(Double.pi * progress))
    }
  }

  private var warmup: Int {
    switch self {
    case .constant(let warmup), .step(_, _, let warmup), .cosine(let warmup, _, _): warmup
    }
  }
}
