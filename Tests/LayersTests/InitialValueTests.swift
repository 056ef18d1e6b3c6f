// Initial values against PyTorch's, from Tests/Fixtures/initializers.json (scripts/fixtures/initializers.py).

import FixtureSupport
import Layers
import TensorCore
import Testing

@Suite struct InitialValueTests {
  @Test(arguments: try Fixture.initializers().cases)
  func spreadsAreThoseOfPyTorch(_ test: InitializersFixture.Case) {
    func uniform(_ bound: Double) -> Distribution { .uniform(lower: -Float(bound), upper: Float(bound)) }
    func normal(_ deviation: Double) -> Distribution {
      .normal(mean: 0, standardDeviation: Float(deviation))
    }
    let (fanIn, fanOut) = (test.fanIn, test.fanOut)
    let expected: [InitialValue: (weight: Distribution, bias: Distribution)] = [
      .pytorch: (uniform(test.linearWeightBound), uniform(test.linearBiasBound)),
      .xavierUniform: (uniform(test.xavierUniformBound), .constant(0)),
      .xavierNormal: (normal(test.xavierNormalDeviation), .constant(0)),
      .heUniform: (uniform(test.kaimingUniformBound), .constant(0)),
      .heNormal: (normal(test.kaimingNormalDeviation), .constant(0)),
      .smallNormal: (normal(0.02), .constant(0)),
      .zeros: (.constant(0), .constant(0)),
    ]
    #expect(expected.count == InitialValue.allCases.count)
    for (value, pair) in expected {
      #expect(isNear(value.weight(fanIn: fanIn, fanOut: fanOut), pair.weight), "\(value)")
      #expect(isNear(value.bias(fanIn: fanIn), pair.bias), "\(value)")
    }
  }

  /// The fixture's numbers are in double precision: one rounding may differ.
  private func isNear(_ a: Distribution, _ b: Distribution) -> Bool {
    switch (a, b) {
    case (.constant(let a), .constant(let b)): a == b
    case (.uniform(let low, let high), .uniform(let otherLow, let otherHigh)):
      abs(low - otherLow) <= high.ulp && abs(high - otherHigh) <= high.ulp && low == -high
    case (.normal(let mean, let deviation), .normal(let otherMean, let otherDeviation)):
      mean == otherMean && abs(deviation - otherDeviation) <= deviation.ulp
    default: false
    }
  }

  @Test(arguments: InitialValue.allCases) func drawnWeightsHaveTheSpread(_ value: InitialValue) {
    let (fanIn, fanOut) = (300, 200)
    let arena = Arena<Float>(count: fanIn * fanOut)
    value.weight(fanIn: fanIn, fanOut: fanOut).fill(arena.buffer, seed: 2, name: "w")
    let values = arena.buffer.map(Double.init)
    let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    let largest = values.reduce(0) { max($0, abs($1)) }
    let expected: (deviation: Double, bound: Double) =
      switch value {
      case .pytorch: ((1.0 / 900).squareRoot(), (1.0 / 300).squareRoot())
      case .xavierUniform: ((2.0 / 500).squareRoot(), (6.0 / 500).squareRoot())
      case .xavierNormal: ((2.0 / 500).squareRoot(), .infinity)
      case .heUniform: ((2.0 / 300).squareRoot(), (6.0 / 300).squareRoot())
      case .heNormal: ((2.0 / 300).squareRoot(), .infinity)
      case .smallNormal: (0.02, .infinity)
      case .zeros: (0, 0)
      }
    #expect(abs(deviation - expected.deviation) <= 0.015 * expected.deviation)
    #expect(largest <= expected.bound * (1 + 1e-6))
    if expected.bound.isFinite { #expect(largest >= 0.999 * expected.bound) }
  }
}
