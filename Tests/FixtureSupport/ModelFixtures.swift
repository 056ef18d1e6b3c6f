// workloads.json and exchange.json: whole models. What the entries mean is said in scripts/fixtures/workloads.py
// and exchange.py.

import Foundation

extension Fixture {
  package static func workloads() throws(FixtureError) -> WorkloadsFixture { try read("workloads") }
  package static func exchange() throws(FixtureError) -> ExchangeFixture { try read("exchange") }

  /// Where a file of exchange.json lies.
  package static func model(_ file: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/models/\(file)").path
  }
}

package struct WorkloadsFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let workloads: [Workload]

  package struct Workload: Decodable, Sendable, CustomStringConvertible {
    package let name: String
    package let batch: Int
    /// Step t trains on the samples (t mod distinctBatches) * batch and the batch - 1 that follow.
    package let distinctBatches: Int
    package let optimizer: OptimizerSettings
    package let parameters: [NamedFormula]
    /// `[distinctBatches * batch, …]`; tokens where there are none.
    package let inputs: FormulaTensor?
    /// `[distinctBatches * batch, context]`
    package let tokens: FormulaLabels?
    package let context: Int?
    /// One a sample, or one a token.
    package let labels: FormulaLabels
    /// Mean cross-entropy before each update.
    package let losses: [Float]
    package let earlySteps: Int
    /// Euclidean norms of parameters and running statistics after `earlySteps` steps, and after the last. Those
    /// of `qkv.bias` are without the middle third.
    package let earlyNorms: [String: Double]
    package let finalNorms: [String: Double]
    /// The running statistics after `earlySteps` steps.
    package let earlyStatistics: [String: FixtureTensor]
    package let permutedBatchDifference: Drift
    package let float64Difference: Drift

    package var description: String { name }
  }

  package struct NamedFormula: Decodable, Sendable {
    package let name: String
    package let tensor: FormulaTensor

    private enum CodingKeys: String, CodingKey { case name }

    package init(from decoder: any Decoder) throws {
      name = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .name)
      tensor = try FormulaTensor(from: decoder)
    }
  }
}

package struct ExchangeFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let models: [Model]
  package let files: [File]

  package struct Model: Decodable, Sendable, CustomStringConvertible {
    package struct Tensor: Decodable, Sendable, Hashable {
      package let name: String
      package let shape: [Int]
      /// As safetensors calls it: F32 or I64.
      package let type: String

      package init(name: String, shape: [Int], type: String) {
        (self.name, self.shape, self.type) = (name, shape, type)
      }
    }

    package let name: String
    /// Of the state_dict.
    package let tensors: [Tensor]

    package var description: String { name }
  }

  package struct File: Decodable, Sendable, CustomStringConvertible {
    package let name: String
    package let file: String
    package let batch: Int
    package let inputs: FormulaTensor?
    package let tokens: FormulaLabels?
    /// In evaluation, of the whole batch.
    package let outputs: FixtureTensor

    package var description: String { name }
  }
}
