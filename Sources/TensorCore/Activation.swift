import CKernels

/// An element-wise function whose derivative can be told from its value.
public enum Activation: String, Sendable, CaseIterable {
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)
  case tanh
  /// max(0, x); its derivative at 0 is taken as 0.
  case relu

  package var kernel: lockstep_activation {
    switch self {
    case .sigmoid: lockstep_activation_sigmoid
    case .tanh: lockstep_activation_tanh
    case .relu: lockstep_activation_relu
    }
  }
}
