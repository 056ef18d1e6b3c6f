// The expected values in Tests/Fixtures, computed by PyTorch, as Swift values.
//
// Each file is one structure below, with the file's own names; what the numbers mean is said in the Python
// file of the same name in scripts/fixtures. `Fixture.operations()` and its siblings read and decode.

import Foundation

/// Reads the fixtures that lie beside this folder.
package enum Fixture {
  package static func operations() throws(FixtureError) -> OperationsFixture { try read("operations") }
  package static func pooling() throws(FixtureError) -> PoolingFixture { try read("pooling") }
  package static func normalization() throws(FixtureError) -> NormalizationFixture {
    try read("normalization")
  }
  package static func optimizers() throws(FixtureError) -> OptimizersFixture { try read("optimizers") }
  package static func schedules() throws(FixtureError) -> SchedulesFixture { try read("schedules") }
  package static func initializers() throws(FixtureError) -> InitializersFixture { try read("initializers") }
  package static func convolution() throws(FixtureError) -> ConvolutionFixture { try read("convolution") }

  static func read<Content: Decodable>(_ name: String) throws(FixtureError) -> Content {
    let file = URL(filePath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/\(name).json")
    do {
      return try JSONDecoder().decode(Content.self, from: Data(contentsOf: file))
    } catch {
      throw FixtureError(file: file.path, cause: "\(error)")
    }
  }
}

/// A fixture that is missing, or does not have the form that its structure here describes.
package struct FixtureError: Error, CustomStringConvertible {
  package let file: String
  package let cause: String

  package var description: String {
    "fixture \(file) cannot be read: \(cause). Write it anew with scripts/fixtures/generate.py."
  }
}

/// What made a file.
package struct FixtureOrigin: Decodable, Sendable {
  package let script: String
  package let torch: String
  package let seed: Int?
}

/// A tensor in row-major order; a scalar has an empty shape and one value.
package struct FixtureTensor: Decodable, Sendable {
  package let shape: [Int]
  package let values: [Float]
}

// MARK: - operations.json

package struct OperationsFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  /// The cases of one operation: linear, matmul, sigmoid, tanh, relu, softmax, add, multiply, addRow, sum,
  /// mean, crossEntropySum or meanSquaredErrorSum.
  package func cases(of operation: String) -> [Case] {
    cases.filter { $0.operation == operation }
  }

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let operation: String
    package let name: String
    /// By name: x, weight, bias (linear); left, right (matmul, add, multiply); x, row (addRow); logits
    /// (crossEntropySum); prediction (meanSquaredErrorSum); otherwise x.
    package let inputs: [String: FixtureTensor]
    /// Only of matmul: whether the stored matrix is transposed before the product.
    package let transposeLeft: Bool?
    package let transposeRight: Bool?
    /// Only of sum and mean: 0, -1 for the last, or nil for all axes. The output lacks the reduced axis.
    package let axis: Int?
    /// Only of crossEntropySum.
    package let labels: [Int]?
    /// Only of meanSquaredErrorSum; no gradient flows into it.
    package let target: FixtureTensor?
    package let output: FixtureTensor
    package let outputGradient: FixtureTensor
    /// Of every input, by the names of `inputs`.
    package let gradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(operation), \(name)" }
  }
}

// MARK: - convolution.json

package struct ConvolutionFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package enum Operation: String, Decodable, Sendable { case convolution, transposedConvolution }

    package let operation: Operation
    package let name: String
    /// By name: x, weight and, where there is one, bias.
    package let inputs: [String: FixtureTensor]
    /// Height and width, as the others.
    package let stride: [Int]
    package let padding: [Int]
    package let dilation: [Int]
    /// Only of transposed convolutions.
    package let outputPadding: [Int]?
    package let groups: Int
    package let output: FixtureTensor
    package let outputGradient: FixtureTensor
    /// Of every input, by the names of `inputs`.
    package let gradients: [String: FixtureTensor]
    /// How far PyTorch's float32 lies from float64: largest |difference| / max(1, |value|).
    package let roundingError: Double

    package var description: String { "\(operation), \(name)" }
  }
}

// MARK: - Settings that several files share

package struct OptimizerSettings: Decodable, Sendable {
  package enum Kind: String, Decodable, Sendable {
    case sgd, adam, adamW, rmsprop, adagrad, lars, lamb, lion
  }

  package let kind: Kind
  package let learningRate: Double
  package let weightDecay: Double
  // What follows belongs to some kinds only.
  package let momentum: Double?
  package let dampening: Double?
  package let nesterov: Bool?
  package let beta1: Double?
  package let beta2: Double?
  package let epsilon: Double?
  package let alpha: Double?
  package let centered: Bool?
  package let learningRateDecay: Double?
  package let initialAccumulator: Double?
  package let trustCoefficient: Double?
}

package struct ScheduleSettings: Decodable, Sendable {
  package enum Kind: String, Decodable, Sendable {
    case constant, step, multiStep, exponential, warmupCosine, polynomial, oneCycle
  }

  package let kind: Kind
  // What follows belongs to some kinds only.
  package let every: Int?
  package let milestones: [Int]?
  package let factor: Double?
  package let warmupSteps: Int?
  package let totalSteps: Int?
  package let minimum: Double?
  package let power: Double?
  package let rising: Double?
  package let startDivisor: Double?
  package let finalDivisor: Double?
  package let lowMomentum: Double?
  package let highMomentum: Double?
}

package struct GroupSettings: Decodable, Sendable {
  package let match: String
  package let learningRateFactor: Double
  package let weightDecay: Double?
}

/// How far PyTorch moves from itself when only rounding changes.
package struct Drift: Decodable, Sendable {
  /// Largest relative difference of a step's loss.
  package let loss: Double
  /// Largest absolute difference of a parameter after the last step.
  package let parameters: Double
  // What follows is in workloads.json only.
  /// `loss` up to each step.
  package let losses: [Double]?
  /// Largest relative difference of a tensor's norm, after the last step and after the early ones.
  package let norms: Double?
  package let earlyNorms: Double?
  /// Largest relative difference of a running statistic then, statistics below 0.1 taken as 0.1.
  package let earlyStatistics: Double?
}

// MARK: - optimizers.json

package struct OptimizersFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  /// "0.weight", "0.bias", "2.weight", "2.bias", the same for every run.
  package let initialParameters: [String: FixtureTensor]
  /// One for each step, the same for every run.
  package let batches: [Batch]
  package let runs: [Run]

  package struct Batch: Decodable, Sendable {
    /// `[batch, features]`
    package let inputs: FixtureTensor
    /// `[batch]`, for crossEntropy.
    package let labels: [Int]
    /// `[batch, outputs]`, for meanSquaredError.
    package let targets: FixtureTensor
  }

  package struct Run: Decodable, Sendable, CustomStringConvertible {
    package enum Activation: String, Decodable, Sendable { case relu, tanh, sigmoid }
    package enum Loss: String, Decodable, Sendable { case crossEntropy, meanSquaredError }

    package let name: String
    package let sizes: [Int]
    package let activation: Activation
    package let loss: Loss
    package let optimizer: OptimizerSettings
    package let schedule: ScheduleSettings
    /// What the schedule gives for each step.
    package let learningRates: [Double]
    package let clipNorm: Double?
    package let groups: [GroupSettings]?
    package let l1: Double?
    package let l2: Double?
    package let decaysNormsAndBiases: Bool?
    package let averageDecay: Double?
    /// Mean over the samples, before each update.
    package let losses: [Float]
    /// Of the mean gradient, all parameters together, before clipping.
    package let gradientNorms: [Double]
    /// With `averageDecay` their averages.
    package let finalParameters: [String: FixtureTensor]
    package let permutedBatchDifference: Drift
    package let float64Difference: Drift

    package var description: String { name }
  }
}

// MARK: - schedules.json

package struct SchedulesFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]
  package let plateaus: [Plateau]

  package struct Plateau: Decodable, Sendable, CustomStringConvertible {
    package struct Settings: Decodable, Sendable {
      package let factor: Double
      package let patience: Int
      package let threshold: Double
      package let cooldown: Int
      package let minimum: Double
    }

    package let name: String
    package let base: Double
    package let settings: Settings
    /// Of every validation.
    package let losses: [Double]
    /// PyTorch's, after every validation.
    package let learningRates: [Double]

    package var description: String { name }
  }

  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let name: String
    package let base: Double
    package let schedule: ScheduleSettings
    /// From the plain formula, 40 steps.
    package let learningRates: [Double]
    /// From PyTorch's scheduler, as long as it follows that formula.
    package let torch: [Double]
    /// Only of oneCycle.
    package let momenta: [Double]?

    package var description: String { name }
  }
}

// MARK: - initializers.json

package struct InitializersFixture: Decodable, Sendable {
  package let origin: FixtureOrigin
  package let cases: [Case]

  /// Bounds b of uniform distributions over [-b, b], and standard deviations of normal ones.
  package struct Case: Decodable, Sendable, CustomStringConvertible {
    package let fanIn: Int
    package let fanOut: Int
    package let linearWeightBound: Double
    package let linearBiasBound: Double
    package let xavierUniformBound: Double
    package let xavierNormalDeviation: Double
    package let kaimingUniformBound: Double
    package let kaimingNormalDeviation: Double

    package var description: String { "fan in \(fanIn), fan out \(fanOut)" }
  }
}
