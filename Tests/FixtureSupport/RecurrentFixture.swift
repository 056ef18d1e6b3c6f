extension Fixture {
  package static func recurrent() throws(FixtureError) -> RecurrentFixture { try read("recurrent") }
}

// MARK: - recurrent.json

package struct RecurrentFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    /// tanh, relu, lstm or gru.
    package let operation: String
    package let name: String
    package let layers: Int
    package let bidirectional: Bool
    package let bias: Bool
    /// x [batch, steps, features], and the parameters under PyTorch's names.
    package let inputs: [String: FixtureTensor]
    /// [batch, steps, outputs]
    package let output: FixtureTensor
    package let outputGradient: FixtureTensor
    /// Of every input, by the names of `inputs`.
    package let gradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(operation), \(name)" }
  }
}
