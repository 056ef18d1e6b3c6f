import Foundation
import TensorCore

/// Chooses the next token from what a model says of all of them.
///
/// A plain value: what it chooses depends on its settings, the logits, and the numbers of the text and of
/// the place in it, not on what it chose before. The probabilities are softmax(logits / temperature), of
/// which only the `topK` greatest are kept, and of those the fewest that make up `topP` together (Holtzman
/// et al., "The curious case of neural text degeneration", ICLR 2020).
public struct TokenSampler: Sendable, Equatable {
  /// Below 1 the likely tokens become likelier, above 1 less likely; at 0 the likeliest is always chosen,
  /// of equally likely ones the first.
  public let temperature: Double
  /// How many of the likeliest tokens may be chosen; nil for all.
  public let topK: Int?
  /// How much probability the tokens that may be chosen make up together; 1 for all.
  public let topP: Double
  public let seed: UInt64

  /// Throws where `temperature` is negative or no number, `topK` is below 1, or `topP` is not in (0, 1].
  public init(
    temperature: Double = 1, topK: Int? = nil, topP: Double = 1, seed: UInt64 = 0
  ) throws(DatasetError) {
    guard temperature >= 0, temperature.isFinite else {
      throw DatasetError(
        at: "temperature", expected: "a number from 0 up", found: "\(temperature)",
        remedy: "Choose 1 for the model's own probabilities, less for safer text.")
    }
    guard topK ?? 1 >= 1 else {
      throw DatasetError(
        at: "top-k", expected: "at least 1 token to choose from", found: "\(topK ?? 0)",
        remedy: "Choose a number such as 40, or leave it out for all tokens.")
    }
    guard topP > 0, topP <= 1 else {
      throw DatasetError(
        at: "top-p", expected: "a probability above 0, 1 at most", found: "\(topP)",
        remedy: "Choose a number such as 0.9, or leave it out for all tokens.")
    }
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
  }

  /// A token for place `position` of text number `text`.
  ///
  /// Throws where a logit is NaN or +∞, or all are −∞; single ones of −∞ are tokens that cannot come.
  public func token(
    _ logits: UnsafeBufferPointer<Float>, position: Int, text: Int = 0
  ) throws(DatasetError) -> Int32 {
    let chances = try probabilities(logits)
    var stream = RandomStream(
      seed: seed, purpose: .generation, step: UInt64(position), sample: UInt64(text))
    // 53 bits: among many tokens a rare one has less than 2⁻²⁴.
    let bits = UInt64(stream.next()) << 21 | UInt64(stream.next() >> 11)
    var rest = Double(bits) * 0x1p-53
    for (token, probability) in chances {
      rest -= probability
      if rest < 0 { return token }
    }
    // The probabilities' sum can be below 1 by a rounding error.
    return chances.last(where: { $0.probability > 0 })?.token ?? 0
  }

  /// The same for logits in an array.
  public func token(_ logits: [Float], position: Int, text: Int = 0) throws(DatasetError) -> Int32 {
    try logits.withUnsafeBufferPointer { (logits) throws(DatasetError) in
      try token(logits, position: position, text: text)
    }
  }

  /// The tokens that may be chosen and their probabilities, which add up to 1, the likeliest first.
  ///
  /// Throws as `token` does.
  public func probabilities(
    _ logits: UnsafeBufferPointer<Float>
  ) throws(DatasetError) -> [(token: Int32, probability: Double)] {
    let greatest = try greatest(of: logits)
    if temperature == 0 {
      return [(Int32(logits.firstIndex(of: greatest) ?? 0), 1)]
    }
    var kept = logits.indices.map { index in
      let distance = Double(logits[index]) - Double(greatest)
      return (token: Int32(index), probability: exp(distance / temperature))
    }
    kept.sort { ($1.probability, $0.token) < ($0.probability, $1.token) }
    if let topK, topK < kept.count { kept.removeLast(kept.count - topK) }
    if topP < 1 {
      let wanted = topP * kept.reduce(0) { $0 + $1.probability }
      var sum = 0.0
      let last = kept.firstIndex { chance in
        sum += chance.probability
        return sum >= wanted
      }
      if let last { kept.removeLast(kept.count - last - 1) }
    }
    let total = kept.reduce(0) { $0 + $1.probability }
    return kept.map { ($0.token, $0.probability / total) }
  }

  private func greatest(of logits: UnsafeBufferPointer<Float>) throws(DatasetError) -> Float {
    precondition(!logits.isEmpty && logits.count <= Int32.max, "\(logits.count) logits")
    var greatest = -Float.infinity
    for (token, logit) in logits.enumerated() {
      guard !logit.isNaN, logit < .infinity else {
        throw DatasetError(
          at: "the logit of token \(token)", expected: "a finite number", found: "\(logit)",
          remedy: "The model diverged: train it again, with a smaller learning rate.")
      }
      greatest = max(greatest, logit)
    }
    guard greatest > -.infinity else {
      throw DatasetError(
        at: "the logits", expected: "a token that can come", found: "none: all are −∞",
        remedy: "Let at least one token come.")
    }
    return greatest
  }
}
