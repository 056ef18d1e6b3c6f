// Batch normalization against the formula in double precision, plain and blocked.

import TensorCore
import Testing

@Suite struct BatchNormalizationKernelTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  /// [batch, channels], rows shorter and longer than vectors, blocks; with a ReLU and without.
  private static let forms: [BatchNormalizationForm] = {
    var forms: [BatchNormalizationForm] = []
    for (block, channels) in [(0, 1), (0, 3), (0, 17), (0, 32), (8, 24), (16, 32)] {
      for (batch, spatial) in [(2, 1), (33, 1), (1, 7), (3, 15), (2, 64), (5, 100), (2, 131)] {
        for relu in [false, true] {
          forms.append(
            BatchNormalizationForm(
              batch: batch, channels: channels, spatial: spatial, block: block, epsilon: 1e-3,
              appliesReLU: relu))
        }
      }
    }
    return forms
  }()

  @Test(arguments: forms) func everyPartEqualsTheFormula(_ form: BatchNormalizationForm) {
    var draw = Draw(UInt64(form.count * 2 + (form.appliesReLU ? 1 : 0)))
    let (x, dy) = (draw.values(form.count, scale: 2).map { $0 + 3 }, draw.values(form.count))
    let (weight, bias) = (draw.values(form.channels), draw.values(form.channels))
    let pair = form.channels * 2

    let statistics: [Float] = result(pair) { Fast.channelStatistics(form, x, $0) }
    let exactStatistics: [Double] = result(pair) { Exact.channelStatistics(form, x.doubles, $0) }
    #expect(relativeError(statistics, exactStatistics, floor: 0.1) < 30 * rounding)

    // From here on with the fast statistics for both: their error has been looked at.
    let (s, w, b) = (statistics.doubles, weight.doubles, bias.doubles)
    let y: [Float] = result(form.count) { Fast.normalize(form, x, statistics, weight, bias, added: nil, $0) }
    let exact: [Double] = result(form.count) { Exact.normalize(form, x.doubles, s, w, b, added: nil, $0) }
    #expect(relativeError(y, exact, floor: 1) < 20 * rounding)
    #expect(changed(x) { Fast.normalize(form, $0, statistics, weight, bias, added: nil, $0) } == y)

    var residual = form
    residual.addsResidual = true
    let sum: [Float] = result(form.count) { y in
      dy.withUnsafeBufferPointer {
        Fast.normalize(residual, x, statistics, weight, bias, added: $0.baseAddress, y)
      }
    }
    let exactSum: [Double] = result(form.count) { y in
      dy.doubles.withUnsafeBufferPointer {
        Exact.normalize(residual, x.doubles, s, w, b, added: $0.baseAddress, y)
      }
    }
    #expect(relativeError(sum, exactSum, floor: 1) < 20 * rounding)
    #expect(
      changed(dy) { y in
        Fast.normalize(residual, x, statistics, weight, bias, added: UnsafePointer(y), y)
      } == sum)

    let sums: [Float] = result(pair) { Fast.normalizeSums(form, x, statistics, weight, bias, dy, $0) }
    let exactSums: [Double] = result(pair) {
      Exact.normalizeSums(form, x.doubles, s, w, b, dy.doubles, $0)
    }
    #expect(relativeError(sums, exactSums, floor: Double(form.valuesPerChannel)) < 20 * rounding)

    let dx: [Float] = result(form.count) {
      Fast.normalizeGradient(form, x, statistics, weight, bias, dy, sums, $0)
    }
    let exactGradient: [Double] = result(form.count) {
      Exact.normalizeGradient(form, x.doubles, s, w, b, dy.doubles, sums.doubles, $0)
    }
    // With two values a channel, deviations are of any size, and the terms cancel.
    let largest = (0..<form.channels).map { abs(w[$0]) / (s[form.channels + $0] + 1e-3).squareRoot() }.max()
    #expect(relativeError(dx, exactGradient, floor: 10 * (largest ?? 1) + 1) < 20 * rounding)
    #expect(
      changed(dy) { Fast.normalizeGradient(form, x, statistics, weight, bias, $0, sums, $0) } == dx)
    #expect(
      changed(x) { Fast.normalizeGradient(form, $0, statistics, weight, bias, dy, sums, $0) } == dx)

    let frozen: [Float] = result(form.count) {
      Fast.frozenNormalizeGradient(form, x, statistics, weight, bias, dy, $0)
    }
    let exactFrozen: [Double] = result(form.count) {
      Exact.frozenNormalizeGradient(form, x.doubles, s, w, b, dy.doubles, $0)
    }
    #expect(relativeError(frozen, exactFrozen) < 20 * rounding)
    #expect(
      changed(dy) { Fast.frozenNormalizeGradient(form, x, statistics, weight, bias, $0, $0) } == frozen)
  }

  /// The formula E[x²] − E[x]² loses all of this variance in single precision.
  @Test(arguments: [0, 16]) func aSmallVarianceSurvivesALargeMean(_ block: Int) {
    let form = BatchNormalizationForm(batch: 16, channels: 16, spatial: 256, block: block)
    var draw = Draw(3)
    let x = draw.values(form.count, scale: 0.5).map { $0 + 4096 }
    let statistics: [Float] = result(32) { Fast.channelStatistics(form, x, $0) }
    let exact: [Double] = result(32) { Exact.channelStatistics(form, x.doubles, $0) }
    #expect(relativeError(Array(statistics[..<16]), Array(exact[..<16])) < 4 * rounding)
    #expect(relativeError(Array(statistics[16...]), Array(exact[16...])) < 1e-5)
  }

  @Test func theStatisticsOfTwoChannelsAreTheirMeanAndBiasedVariance() {
    let form = BatchNormalizationForm(batch: 2, channels: 2, spatial: 2)
    let x: [Float] = [1, 3, 10, 10, 5, 7, 10, 30]
    #expect(result(4) { Fast.channelStatistics(form, x, $0) } == [4, 15, 5, 75])
  }

  @Test(arguments: [0, 8, 16]) func aNaNStaysANaNThroughTheReLU(_ block: Int) {
    let form = BatchNormalizationForm(batch: 1, channels: 16, spatial: 3, block: block, appliesReLU: true)
    var x = [Float](repeating: -1, count: form.count)
    x[20] = .nan
    let (zeros, ones) = ([Float](repeating: 0, count: 16), [Float](repeating: 1, count: 32))
    let y: [Float] = result(form.count) { Fast.normalize(form, x, ones, ones, zeros, added: nil, $0) }
    for (index, value) in y.enumerated() { #expect(index == 20 ? value.isNaN : value == 0) }
  }
}
