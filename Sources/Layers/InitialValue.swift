import TensorCore

/// How weights begin. The spread follows from the layer's extents: fan-in, the inputs of one output, and
/// fan-out, the outputs that one input reaches.
public enum InitialValue: String, Sendable, CaseIterable {
  /// PyTorch's default for dense layers: weight and bias uniform within ±1/√fan-in.
  case pytorch
  /// Uniform within ±√(6 / (fan-in + fan-out)); Glorot and Bengio 2010. The bias begins at 0.
  case xavierUniform
  /// Normal with deviation √(2 / (fan-in + fan-out)). The bias begins at 0.
  case xavierNormal
  /// Uniform within ±√(6 / fan-in); He et al. 2015, for ReLU. The bias begins at 0.
  case heUniform
  /// Normal with deviation √(2 / fan-in). The bias begins at 0.
  case heNormal
  /// Normal with deviation 0.02, as in GPT-2, whatever the extents. The bias begins at 0.
  case smallNormal
  /// All 0.
  case zeros

  /// What a layer's weights are drawn from.
  public func weight(fanIn: Int, fanOut: Int) -> Distribution {
    let (fanIn, fanOut) = (Double(fanIn), Double(fanOut))
    return switch self {
    case .pytorch: .symmetric(1 / fanIn.squareRoot())
    case .xavierUniform: .symmetric((6 / (fanIn + fanOut)).squareRoot())
    case .xavierNormal: .centered((2 / (fanIn + fanOut)).squareRoot())
    case .heUniform: .symmetric((6 / fanIn).squareRoot())
    case .heNormal: .centered((2 / fanIn).squareRoot())
    case .smallNormal: .centered(0.02)
    case .zeros: .constant(0)
    }
  }

  /// What a layer's biases are drawn from.
  public func bias(fanIn: Int) -> Distribution {
    self == .pytorch ? .symmetric(1 / Double(fanIn).squareRoot()) : .constant(0)
  }
}

extension Distribution {
  fileprivate static func symmetric(_ bound: Double) -> Distribution {
    .uniform(lower: -Float(bound), upper: Float(bound))
  }

  fileprivate static func centered(_ deviation: Double) -> Distribution {
    .normal(mean: 0, standardDeviation: Float(deviation))
  }
}
