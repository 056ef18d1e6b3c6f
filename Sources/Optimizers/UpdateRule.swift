/// How gradients change parameters. g is the mean gradient, w the parameter, η the learning rate, λ the
/// weight decay, t the number of the update, from 1. As PyTorch computes them, where it has them.
public enum UpdateRule: Sendable, Equatable {
  /// g ← g + λw; v ← μv + (1 − dampening)g, undampened the first time; w ← w − ηv, or w ← w − η(g + μv)
  /// with Nesterov's look-ahead.
  case sgd(momentum: Double = 0, dampening: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
  /// g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂ / (√v̂ + ε), where
  /// m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ). Kingma and Ba 2015.
  case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0)
  /// w ← w − ηλw, then Adam without λ. Loshchilov and Hutter 2019.
  case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01)
  /// g ← g + λw; v ← αv + (1 − α)g²; centered: ḡ ← αḡ + (1 − α)g, and v − ḡ² in place of v;
  /// b ← μb + g/(√v + ε); w ← w − ηb. Tieleman and Hinton 2012; Graves 2013.
  case rmsprop(
    alpha: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0, centered: Bool = false,
    weightDecay: Double = 0)
  /// g ← g + λw; s ← s + g², from the initial accumulator; w ← w − η/(1 + (t − 1)·decay) · g/(√s + ε).
  /// Duchi, Hazan and Singer 2011.
  case adagrad(
    learningRateDecay: Double = 0, initialAccumulator: Double = 0, epsilon: Double = 1e-10,
    weightDecay: Double = 0)
  /// For each parameter by itself: g ← r(g + λw), r = c‖w‖ / (‖g‖ + λ‖w‖ + ε), or 1 where either norm is 0;
  /// then SGD. You, Gitman and Ginsburg 2017.
  case lars(
    momentum: Double = 0.9, nesterov: Bool = false, trustCoefficient: Double = 0.001, epsilon: Double = 1e-8,
    weightDecay: Double = 0)
  /// For each parameter by itself: u = m̂/(√v̂ + ε) + λw, with Adam's m̂ and v̂; w ← w − η·‖w‖/‖u‖·u, the
  /// ratio being 1 where either norm is 0. You et al. 2020.
  case lamb(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-6, weightDecay: Double = 0.01)
  /// w ← w − ηλw − η·sign(β₁m + (1 − β₁)g); m ← β₂m + (1 − β₂)g. Chen et al. 2023.
  case lion(beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0)

  /// The vectors of state that the rule keeps, each as long as the parameters, by their PyTorch names.
  public var stateNames: [String] {
    switch self {
    case .sgd(let momentum, _, _, _): momentum == 0 ? [] : ["momentum_buffer"]
    case .adam, .adamW, .lamb: ["exp_avg", "exp_avg_sq"]
    case .rmsprop(_, _, let momentum, let centered, _):
      ["square_avg"] + (momentum == 0 ? [] : ["momentum_buffer"]) + (centered ? ["grad_avg"] : [])
    case .adagrad: ["sum"]
    case .lars(let momentum, _, _, _, _): momentum == 0 ? [] : ["momentum_buffer"]
    case .lion: ["exp_avg"]
    }
  }

  /// λ.
  public var weightDecay: Double {
    switch self {
    case .sgd(_, _, _, let decay), .adam(_, _, _, let decay), .adamW(_, _, _, let decay),
      .rmsprop(_, _, _, _, let decay), .adagrad(_, _, _, let decay), .lars(_, _, _, _, let decay),
      .lamb(_, _, _, let decay), .lion(_, _, let decay):
      decay
    }
  }

  /// Whether each parameter's step is measured by its norm, which needs those of the whole parameter.
  package var usesNorms: Bool {
    switch self {
    case .lars, .lamb: true
    default: false
    }
  }

  /// What every element of the state begins with.
  package var initialState: Float {
    if case .adagrad(_, let initial, _, _) = self { Float(initial) } else { 0 }
  }

  /// The rule with another momentum, or β₁ where it has that; the same where it has neither.
  package func with(momentum: Double) -> UpdateRule {
    switch self {
    case .sgd(let before, let dampening, let nesterov, let decay):
      before == 0
        ? self : .sgd(momentum: momentum, dampening: dampening, nesterov: nesterov, weightDecay: decay)
    case .adam(_, let beta2, let epsilon, let decay):
      .adam(beta1: momentum, beta2: beta2, epsilon: epsilon, weightDecay: decay)
    case .adamW(_, let beta2, let epsilon, let decay):
      .adamW(beta1: momentum, beta2: beta2, epsilon: epsilon, weightDecay: decay)
    case .rmsprop(let alpha, let epsilon, let before, let centered, let decay):
      before == 0
        ? self
        : .rmsprop(alpha: alpha, epsilon: epsilon, momentum: momentum, centered: centered, weightDecay: decay)
    case .adagrad: self
    case .lars(let before, let nesterov, let trust, let epsilon, let decay):
      before == 0
        ? self
        : .lars(
          momentum: momentum, nesterov: nesterov, trustCoefficient: trust, epsilon: epsilon,
          weightDecay: decay)
    case .lamb(_, let beta2, let epsilon, let decay):
      .lamb(beta1: momentum, beta2: beta2, epsilon: epsilon, weightDecay: decay)
    case .lion(_, let beta2, let decay): .lion(beta1: momentum, beta2: beta2, weightDecay: decay)
    }
  }
}
