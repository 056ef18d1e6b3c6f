import Datasets
import Testing

import Training

@Suite struct RunDataTests {
  /// Mean and mean square of all inputs of a data set.
  private func moments(_ data: any Dataset) -> (mean: Double, square: Double) {
    var inputs = [Float](repeating: 0, count: data.count * data.inputSize)
    var labels = [Int32](repeating: 0, count: data.count)
    inputs.withUnsafeMutableBufferPointer { inputs in
      labels.withUnsafeMutableBufferPointer { labels in
        Array(0..<data.count).withUnsafeBufferPointer { samples in
          guard let input = inputs.baseAddress, let label = labels.baseAddress else { return }
          data.fill(samples, epoch: 0, inputs: input, targets: .labels(label))
        }
      }
    }
    let count = Double(inputs.count)
    return (
      inputs.reduce(0) { $0 + Double($1) } / count, inputs.reduce(0) { $0 + Double($1) * Double($1) } / count
    )
  }

  /// What is held out has no part in the statistics: the training part alone has mean 0 and deviation 1.
  @Test func statisticsComeFromTheSamplesTrainedOnAlone() throws {
    var configuration = try RunConfiguration.load("digits", overrides: ["data.normalization=standard"])
    configuration.data.samples = 400
    configuration.data.testSamples = 100
    configuration.validation.fraction = 0.5
    let data = try RunData(configuration)
    let heldOut = try #require(data.heldOut)
    #expect(data.training.count == 200 && heldOut.count == 200)
    let (mean, square) = moments(data.training)
    #expect(abs(mean) < 1e-6 && abs(square - 1) < 1e-5)
    let other = moments(heldOut)
    #expect(abs(other.mean) > 1e-4 || abs(other.square - 1) > 1e-3, "the other half is not exactly standard")
    let test = try #require(data.test)
    #expect(data.training.normalization == data.normalization)
    #expect(heldOut.normalization == data.normalization && test.normalization == data.normalization)
  }

  @Test func statisticsOfAFoldComeFromTheOtherFolds() throws {
    var means: Set<String> = []
    for fold in 1...3 {
      var configuration = try RunConfiguration.load(
        "digits",
        overrides: [
          "data.normalization=standard", "data.samples=301", "data.testSamples=50", "validation.folds=3",
          "validation.fold=\(fold)", "validation.stratified=true",
        ])
      configuration.threads = 1
      let data = try RunData(configuration)
      let heldOut = try #require(data.heldOut)
      #expect(data.training.count + heldOut.count == 301 && (100...101).contains(heldOut.count))
      let (mean, square) = moments(data.training)
      #expect(abs(mean) < 1e-6 && abs(square - 1) < 1e-5)
      #expect(heldOut.normalization == data.normalization && data.test?.normalization == data.normalization)
      means.insert("\(data.normalization)")
    }
    #expect(means.count == 3)
  }

  @Test func aFoldOfATextLeavesItsEndForTheTest() throws {
    let settings = ["data.characters=20000", "data.context=16"]
    let whole = try RunData(try RunConfiguration.load("gpt", overrides: settings))
    let folded = try RunData(
      try RunConfiguration.load("gpt", overrides: settings + ["validation.folds=4", "validation.fold=2"]))
    #expect(folded.test?.digest() == whole.heldOut?.digest())
    #expect(folded.training.count < whole.training.count * 4 / 5)
    #expect(folded.heldOut?.inputShape == [16])
  }

  @Test func withoutAHeldOutPartAllTrainingSamplesCount() throws {
    var configuration = try RunConfiguration.load("digits", overrides: ["data.normalization=standard"])
    configuration.data.samples = 300
    configuration.data.testSamples = 0
    let data = try RunData(configuration)
    #expect(data.heldOut == nil && data.test == nil && data.training.count == 300)
    let (mean, square) = moments(data.training)
    #expect(abs(mean) < 1e-6 && abs(square - 1) < 1e-5)
  }
}
