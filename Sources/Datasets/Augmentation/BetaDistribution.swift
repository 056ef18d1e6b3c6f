import Foundation
import TensorCore

extension RandomStream {
  /// From Beta(α, α), in [0, 1]: X / (X + Y) of two gamma variables. For small α both can be as good as 0, so
  /// the quotient is taken of their logarithms.
  package mutating func symmetricBeta(_ alpha: Float) -> Float {
    let x = logarithmOfGamma(Double(alpha))
    let y = logarithmOfGamma(Double(alpha))
    return Float(1 / (1 + Foundation.exp(y - x)))
  }

  /// The logarithm of a Gamma(α, 1) variable (Marsaglia and Tsang, "A simple method for generating gamma
  /// variables", ACM TOMS 2000).
  private mutating func logarithmOfGamma(_ alpha: Double) -> Double {
    // A variable for α is one for α + 1 times U to the power of 1/α.
    let boost = alpha < 1 ? Foundation.log(positiveUniform()) / alpha : 0
    let d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let z = Double(normal())
      let root = 1 + c * z
      if root <= 0 { continue }
      let v = root * root * root
      if Foundation.log(positiveUniform()) < 0.5 * z * z + d - d * v + d * Foundation.log(v) {
        return Foundation.log(d * v) + boost
      }
    }
  }

  /// Uniform in (0, 1].
  private mutating func positiveUniform() -> Double { (Double(next()) + 1) * 0x1p-32 }
}
