// What Tests/Fixtures/pooling.json and normalization.json hold.

// MARK: - pooling.json

package struct PoolingFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package enum Operation: String, Decodable, Sendable {
      case maxPooling, averagePooling, globalAveragePooling
    }

    package let operation: Operation
    package let name: String
    /// Only x.
    package let inputs: [String: FixtureTensor]
    /// Height and width, as the others; none of global averages.
    package let window: [Int]?
    package let stride: [Int]?
    package let padding: [Int]?
    /// Only of averages.
    package let countsPadding: Bool?
    package let output: FixtureTensor
    package let outputGradient: FixtureTensor
    package let gradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(operation), \(name)" }
  }
}

// MARK: - normalization.json

package struct NormalizationFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let name: String
    package let momentum: Double
    package let epsilon: Double
    /// Of three steps; outputs and gradients are those of the first.
    package let inputs: [FixtureTensor]
    package let weight: FixtureTensor
    package let bias: FixtureTensor
    package let outputGradient: FixtureTensor
    package let output: FixtureTensor
    /// Of x, weight and bias.
    package let gradients: [String: FixtureTensor]
    /// After the three steps.
    package let runningMean: FixtureTensor
    package let runningVariance: FixtureTensor
    /// With these running statistics.
    package let evaluationOutput: FixtureTensor
    package let evaluationGradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { name }
  }
}
