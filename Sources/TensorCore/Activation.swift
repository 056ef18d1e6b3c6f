import CKernels

/// An element-wise function.
public enum Activation: String, Sendable, CaseIterable {
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)
  case tanh
  /// max(0, x); its derivative at 0 is taken as 0.
  case relu
  /// x where it is above 0, elsewhere 0.01·x; its derivative at 0 is taken as 0.01.
  case leakyReLU
  /// x·Φ(x), Φ the normal distribution's cumulative function; Hendrycks and Gimpel 2016.
  case gelu
  /// x·σ(2√(2/π)·(x + 0.044715·x³)), which is near GELU: half of x·(1 + tanh …), as GPT-2 has it.
  case geluTanh
  /// x·σ(x), also called swish.
  case silu

  /// What leaky ReLU multiplies values below zero with.
  package static let leakySlope = 0.01

  /// Whether the derivative is told from the input x; from the result y where not. x is lost where the
  /// function is computed in place, so only a plan without a backward pass does that.
  package var gradientReadsInput: Bool {
    switch self {
    case .sigmoid, .tanh, .relu, .leakyReLU: false
    case .gelu, .geluTanh, .silu: true
    }
  }

  package var kernel: lockstep_activation {
    switch self {
    case .sigmoid: lockstep_activation_sigmoid
    case .tanh: lockstep_activation_tanh
    case .relu: lockstep_activation_relu
    case .leakyReLU: lockstep_activation_leaky_relu
    case .gelu: lockstep_activation_gelu
    case .geluTanh: lockstep_activation_gelu_tanh
    case .silu: lockstep_activation_silu
    }
  }
}
