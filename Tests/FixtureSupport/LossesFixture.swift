// losses.json: every loss with its gradient. What the entries mean is said in scripts/fixtures/losses.py.

extension Fixture {
  package static func losses() throws(FixtureError) -> LossesFixture { try read("losses") }
}

package struct LossesFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let loss: String
    package let name: String
    /// Only of huber.
    package let delta: Double?
    /// Only of crossEntropy.
    package let smoothing: Double?
    /// One if not given.
    package let rowsPerSample: Int?
    /// How much each sample counts; the same if not given.
    package let weights: FixtureTensor?
    /// `[rows, columns]`, logits where the loss takes them.
    package let prediction: FixtureTensor
    /// Either numbers like the predictions, or class numbers, one a row.
    package let target: FixtureTensor?
    package let labels: [Int]?
    /// `[rows]`
    package let rows: FixtureTensor
    package let sum: FixtureTensor
    /// Of `sum`, for `prediction`.
    package let gradient: FixtureTensor
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(loss), \(name)" }
  }
}
