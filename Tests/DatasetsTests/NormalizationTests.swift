import Datasets
import Foundation
import Testing

@Suite struct NormalizationTests {
  private let bytes = (0...255).map { UInt8($0) }

  private func images(
    _ pixels: [UInt8], count: Int = 1, shape: [Int], _ normalization: Normalization
  ) throws -> ByteImages {
    try ByteImages(
      pixels: pixels, labels: [Int32](repeating: 0, count: count), inputShape: shape,
      classNames: ["only"], normalization: normalization)
  }

  @Test func unitIsTheQuotientToTheLastBit() throws {
    let filled = try images(bytes, shape: [256], .unit).filled([0])
    #expect(filled.inputs == bytes.map { Float($0) / 255 })
  }

  @Test func noneGivesTheBytes() throws {
    #expect(try images(bytes, shape: [1, 16, 16], .none).filled([0]).inputs == bytes.map(Float.init))
  }

  @Test func standardGivesEachChannelMeanZeroAndDeviationOne() throws {
    // [2 images, 2 channels, 5, 1]; the channels differ in mean and spread.
    let pixels: [UInt8] = [
      0, 10, 20, 30, 40, 100, 255, 100, 255, 90, 5, 15, 25, 35, 45, 0, 200, 201, 202, 203,
    ]
    let plain = try images(pixels, count: 2, shape: [2, 5, 1], .unit)
    let normalization = plain.standardNormalization()
    #expect(normalization.kind == .standard)
    #expect(abs(normalization.mean[0] - 22.5 / 255) < 1e-12)
    let inputs = try plain.normalized(by: normalization).filled([0, 1]).inputs.map(Double.init)
    for channel in 0..<2 {
      let start = 5 * channel
      let values = Array(inputs[start..<start + 5] + inputs[start + 10..<start + 15])
      let mean = values.reduce(0, +) / 10
      let squares: [Double] = values.map { ($0 - mean) * ($0 - mean) }
      let variance = squares.reduce(0, +) / 10
      #expect(abs(mean) < 1e-6)
      #expect(abs(variance - 1) < 1e-6)
    }
  }

  @Test func standardIsTheTextbookFormula() throws {
    let normalization = Normalization.standard(mean: [0.1307], standardDeviation: [0.3081])
    let inputs = try images(bytes, shape: [256], normalization).filled([0]).inputs
    for (byte, value) in zip(bytes, inputs) {
      #expect(abs(Double(value) - (Double(byte) / 255 - 0.1307) / 0.3081) < 3e-7)
    }
  }

  @Test func statisticsComeFromTheTrainingImages() throws {
    let training = try images([0, 100], shape: [2], .unit)
    let test = try images([200, 255], shape: [2], .unit)
    let normalized = try test.normalized(.standard, training: training)
    #expect(normalized.normalization == training.standardNormalization())
    #expect(normalized.filled([0]).inputs[0] == 3)
  }

  @Test func statisticsOfLargeImagesDoNotOverflow() throws {
    let pixels = [UInt8](repeating: 255, count: 150_000) + [UInt8](repeating: 0, count: 150_000)
    let normalization = try images(pixels, shape: [300_000], .unit).standardNormalization()
    #expect(normalization.mean == [0.5])
    #expect(normalization.standardDeviation == [0.5])
  }

  @Test func aChannelThatNeverChangesIsOnlyMoved() throws {
    let plain = try images([7, 7, 7, 7], shape: [4], .unit)
    #expect(plain.standardNormalization().standardDeviation == [1])
    #expect(try plain.normalized(.standard, training: plain).filled([0]).inputs.allSatisfy { abs($0) < 1e-7 })
  }

  @Test func aNormalizationForOtherChannelsIsRefused() throws {
    let plain = try images([1, 2, 3], shape: [3, 1, 1], .unit)
    let one = Normalization.standard(mean: [0.5], standardDeviation: [0.5])
    #expect(throws: DatasetError.self) { try plain.normalized(by: one) }
  }

  @Test func aNormalizationSurvivesItsEncoding() throws {
    for normalization in [
      Normalization.none, .unit, .standard(mean: [0.1, 1.0 / 3], standardDeviation: [0.3, 0.7]),
    ] {
      let encoded = try JSONEncoder().encode(normalization)
      #expect(try JSONDecoder().decode(Normalization.self, from: encoded) == normalization)
    }
  }
}
