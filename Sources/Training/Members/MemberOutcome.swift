import Foundation
import TensorCore

/// What became of a member: how good its model is, or why there is none. Kept in the member's folder.
package struct MemberOutcome: Sendable, Codable, Equatable {
  package enum State: String, Sendable, Codable { case finished, failed }

  package struct Result: Sendable, Codable, Equatable {
    package let split: MetricsRecord.Split
    package let loss: Double
    package let accuracy: Double?
    package let samples: Int

    package init(split: MetricsRecord.Split, loss: Double, accuracy: Double?, samples: Int) {
      (self.split, self.loss, self.accuracy, self.samples) = (split, loss, accuracy, samples)
    }
  }

  package static let format = 1
  package var format = Self.format
  package let state: State
  /// Why it failed.
  package var reason: String?
  /// Of the final model; the first is what members are compared by.
  package var results: [Result] = []
  /// The best validation along the way.
  package var bestEpoch: Int?
  package var steps: Int?
  /// Of this start, from its beginning.
  package var seconds: Double?
  package var ranks: Int?
  /// Of all weights.
  package var digest: String?

  package static let name = "member.json"
  /// Many times what there is to say.
  static let greatestSize = 1 << 20

  package static func failed(_ reason: String) -> MemberOutcome {
    var outcome = MemberOutcome(state: .failed)
    outcome.reason = reason
    return outcome
  }

  package init(state: State) { self.state = state }

  package func encoded() throws -> [UInt8] { Array(try Self.encoder.encode(self)) }

  /// nil where these are not the bytes of any, as when they are not all there yet.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count <= Self.greatestSize, JSONBounds.excess(in: bytes, values: 1000, depth: 6) == nil,
      let outcome = try? Self.decoder.decode(MemberOutcome.self, from: Data(bytes)),
      outcome.format == Self.format
    else { return nil }
    self = outcome
  }

  /// That of an outcome, be it one that is not known here; nil where these are not the bytes of any.
  static func format(of bytes: [UInt8]) -> Int? {
    struct Outline: Decodable { let format: Int }
    guard bytes.count <= greatestSize, JSONBounds.excess(in: bytes, values: 1000, depth: 6) == nil else {
      return nil
    }
    return (try? JSONDecoder().decode(Outline.self, from: Data(bytes)))?.format
  }

  // A loss may be infinite, which JSON has no number for.
  static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "infinite", negativeInfinity: "-infinite", nan: "not a number")
    return encoder
  }

  private static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "infinite", negativeInfinity: "-infinite", nan: "not a number")
    return decoder
  }
}
