import Datasets
import Foundation
import Testing

@Suite struct TokenSamplerTests {
  private func chances(
    _ logits: [Float], _ sampler: TokenSampler
  ) throws -> [Int32: Double] {
    let list = try logits.withUnsafeBufferPointer { try sampler.probabilities($0) }
    return Dictionary(uniqueKeysWithValues: list.map { ($0.token, $0.probability) })
  }

  @Test func probabilitiesAreTheSoftmaxOverTheTemperature() throws {
    let logits: [Float] = [1, -2, 0.5, 3, -.infinity]
    for temperature in [0.5, 1, 2.5] {
      let found = try chances(logits, TokenSampler(temperature: temperature))
      let sum = logits.reduce(0) { $0 + exp(Double($1) / temperature) }
      for token in logits.indices {
        let expected = exp(Double(logits[token]) / temperature) / sum
        #expect(abs((found[Int32(token)] ?? 0) - expected) < 1e-12)
      }
    }
  }

  @Test func topKAndTopPKeepTheLikeliest() throws {
    // Probabilities 0.1, 0.4, 0.2, 0.3.
    let logits = [0.1, 0.4, 0.2, 0.3].map { Float(log($0)) }
    func kept(_ k: Int?, _ p: Double) throws -> [Int32] {
      try chances(logits, TokenSampler(topK: k, topP: p)).keys.sorted()
    }
    #expect(try kept(2, 1) == [1, 3])
    #expect(try kept(9, 1) == [0, 1, 2, 3])
    #expect(try kept(nil, 0.35) == [1])
    #expect(try kept(nil, 0.65) == [1, 3])
    #expect(try kept(nil, 0.75) == [1, 2, 3])
    // Of what top-k keeps, 0.4 and 0.3, the first makes up 0.57.
    #expect(try kept(2, 0.5) == [1])
    let found = try chances(logits, TokenSampler(topK: 2))
    #expect(abs((found[1] ?? 0) - 4 / 7.0) < 1e-6)
    #expect(try chances([2, 5, 5, 5], TokenSampler(topK: 2)).keys.sorted() == [1, 2])
  }

  @Test func tokensComeAsOftenAsTheirProbabilitiesSay() throws {
    let logits: [Float] = [0, 1, -1, 2, 0.5, -3]
    let sampler = try TokenSampler(temperature: 1.5, topK: 5, seed: 11)
    let expected = try chances(logits, sampler)
    let draws = 20_000
    var counts: [Int32: Int] = [:]
    for position in 0..<draws / 2 {
      for text in 0..<2 {
        counts[try sampler.token(logits, position: position, text: text), default: 0] += 1
      }
    }
    #expect(counts[5] == nil)
    var chiSquare = 0.0
    for (token, probability) in expected {
      let mean = probability * Double(draws)
      chiSquare += pow(Double(counts[token] ?? 0) - mean, 2) / mean
    }
    // With 4 degrees of freedom 1 in 1,000 is above 18.5.
    #expect(chiSquare < 18.5)
  }

  @Test func whatIsChosenDependsOnSeedTextAndPlaceOnly() throws {
    let logits = [Float](repeating: 0, count: 50_000)
    let sampler = try TokenSampler(seed: 3)
    let first = try sampler.token(logits, position: 5, text: 1)
    #expect(try sampler.token(logits, position: 5, text: 1) == first)
    #expect(try sampler.token(logits, position: 6, text: 1) != first)
    #expect(try sampler.token(logits, position: 5, text: 2) != first)
    #expect(try TokenSampler(seed: 4).token(logits, position: 5, text: 1) != first)
  }

  @Test func atTemperatureZeroTheFirstOfTheLikeliestComes() throws {
    let sampler = try TokenSampler(temperature: 0)
    for position in 0..<20 {
      #expect(try sampler.token([0, 3, -1, 3, 2], position: position) == 1)
    }
    #expect(try TokenSampler(temperature: 1e-300).token([0, 3, -1, 2], position: 1) == 1)
  }

  @Test func wrongSettingsAndLogitsAreRefused() throws {
    for temperature in [-1, -.infinity, .infinity, Double.nan] {
      #expect(throws: DatasetError.self) { try TokenSampler(temperature: temperature) }
    }
    for topK in [0, -5] { #expect(throws: DatasetError.self) { try TokenSampler(topK: topK) } }
    for topP in [0, -0.5, 1.5, Double.nan] {
      #expect(throws: DatasetError.self) { try TokenSampler(topP: topP) }
    }
    for temperature in [0, 1.0] {
      let sampler = try TokenSampler(temperature: temperature)
      for logits: [Float] in [[1, .nan], [.infinity, 0], [-.infinity, -.infinity]] {
        #expect(throws: DatasetError.self) { try sampler.token(logits, position: 0) }
      }
    }
  }
}
