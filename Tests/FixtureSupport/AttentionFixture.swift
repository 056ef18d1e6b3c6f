// attention.json: what models of sequences are made of. What the entries mean is said in
// scripts/fixtures/attention.py.

extension Fixture {
  package static func attention() throws(FixtureError) -> AttentionFixture { try read("attention") }
}

package struct AttentionFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]
  package let models: [Model]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let operation: String
    package let name: String
    package let inputs: [String: FixtureTensor]
    /// Only of layerNorm and rmsNorm.
    package let epsilon: Double?
    /// Only of embedding.
    package let indices: [Int]?
    /// Only of attention and multiHeadAttention; the mask is `nil` where there is none.
    package let heads: Int?
    package let isCausal: Bool?
    package let mask: FixtureTensor?
    package let output: FixtureTensor
    package let outputGradient: FixtureTensor
    /// Of every input, by the names of `inputs`.
    package let gradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(operation), \(name)" }
  }

  package struct Model: Decodable, Sendable, CustomStringConvertible {
    package let name: String
    package let vocabulary: Int
    package let context: Int
    package let width: Int
    package let layers: Int
    package let heads: Int
    package let isTied: Bool
    package let padding: Int?
    /// The parameters, by PyTorch's names.
    package let inputs: [String: FixtureTensor]
    /// [batch, time]
    package let indices: FixtureTensor
    package let labels: [Int]
    /// [batch · time, vocabulary]
    package let logits: FixtureTensor
    package let loss: FixtureTensor
    package let gradients: [String: FixtureTensor]
    package let roundingError: Double

    package var description: String { name }
  }
}
