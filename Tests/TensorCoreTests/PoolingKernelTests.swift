// Pooling against the reference: bit for bit, both adding in the same order; plain and blocked alike.

import TensorCore
import Testing

@Suite struct PoolingKernelTests {
  private typealias Fast = FloatKernels
  private typealias Single = ReferenceKernels<Float>

  /// Odd sizes, windows that overlap, tile, and leave gaps; rows that do not reach the end; 1 to 37 planes.
  private static let forms: [PoolingForm] = {
    var forms: [PoolingForm] = []
    for (block, channels) in [(0, 1), (0, 3), (0, 37), (8, 24), (16, 32)] {
      for (input, window, stride, padding) in [
        (Size2D(6), Size2D(2), Size2D(2), Size2D(0)),
        (Size2D(height: 7, width: 5), Size2D(2), Size2D(2), Size2D(0)),
        (Size2D(height: 5, width: 8), Size2D(3), Size2D(2), Size2D(1)),
        (Size2D(4), Size2D(3), Size2D(1), Size2D(1)),
        (Size2D(height: 9, width: 3), Size2D(height: 4, width: 2), Size2D(height: 1, width: 3), 1),
        (Size2D(height: 1, width: 20), Size2D(height: 1, width: 5), Size2D(height: 2, width: 4), 0),
        (Size2D(height: 3, width: 7), Size2D(2), Size2D(3), Size2D(1)),
        (Size2D(1), Size2D(1), Size2D(1), Size2D(0)),
      ] {
        for kind: PoolingForm.Kind in [.max, .average(countsPadding: true), .average(countsPadding: false)] {
          forms.append(
            PoolingForm(
              kind, batch: 2, channels: channels, input: input, window: window, stride: stride,
              padding: padding, block: block))
        }
      }
    }
    return forms
  }()

  @Test(arguments: forms) func poolingEqualsTheReferenceBitForBit(_ form: PoolingForm) {
    var draw = Draw(UInt64(form.inputCount))
    // Few values, so that windows have several largest elements.
    let x = draw.values(form.inputCount).map { form.kind == .max ? ($0 * 2).rounded() : $0 }
    let dy = draw.values(form.outputCount)
    #expect(
      bits(scratched(form, form.outputCount) { Fast.pool(form, x, $0, scratch: $1) })
        == bits(result(form.outputCount) { Single.pool(form, x, $0, scratch: $0) }))
    let (fast, exact): ([Float], [Float])
    switch form.kind {
    case .max:
      fast = scratched(form, form.inputCount) { Fast.maxPoolGradient(form, x, dy, $0, scratch: $1) }
      exact = result(form.inputCount) { Single.maxPoolGradient(form, x, dy, $0, scratch: $0) }
    case .average:
      fast = scratched(form, form.inputCount) { Fast.averagePoolGradient(form, dy, $0, scratch: $1) }
      exact = result(form.inputCount) { Single.averagePoolGradient(form, dy, $0, scratch: $0) }
    }
    #expect(bits(fast) == bits(exact))
  }

  /// Written down by hand, so that the reference itself is held to something.
  @Test func aMaximumIsThatOfItsWindowAndPaddingNeverWins() {
    let x: [Float] = [-1, -2, -3, -4, -5, -6, -7, -8, -9]
    let form = PoolingForm(.max, batch: 1, channels: 1, input: 3, window: 2, stride: 2, padding: 1)
    #expect(scratched(form, 4) { Fast.pool(form, x, $0, scratch: $1) } == [-1, -2, -4, -5])
    #expect(
      scratched(form, 9) { Fast.maxPoolGradient(form, x, [1, 2, 3, 4], $0, scratch: $1) }
        == [1, 2, 0, 3, 4, 0, 0, 0, 0])
  }

  @Test func paddingCountsInAMeanOnlyWhereAskedFor() {
    let x: [Float] = [1, 2, 3, 4]
    for (counts, expected) in [(true, [0.25, 0.5, 0.75, 1] as [Float]), (false, [1, 2, 3, 4])] {
      let form = PoolingForm(
        .average(countsPadding: counts), batch: 1, channels: 1, input: 2, window: 2, stride: 2, padding: 1)
      #expect(scratched(form, 4) { Fast.pool(form, x, $0, scratch: $1) } == expected)
    }
  }

  @Test(arguments: [0, 8, 16]) func theFirstOfEqualElementsGetsTheGradient(_ block: Int) {
    let form = PoolingForm(.max, batch: 1, channels: 16, input: 4, window: 3, stride: 1, block: block)
    let x = [Float](repeating: -.infinity, count: form.inputCount)
    let dy = [Float](repeating: 1, count: form.outputCount)
    let dx: [Float] = scratched(form, form.inputCount) {
      Fast.maxPoolGradient(form, x, dy, $0, scratch: $1)
    }
    for (position, value) in dx.enumerated() {
      let pixel = position / form.lanes % 16
      #expect(value == ([0, 1, 4, 5].contains(pixel) ? 1 : 0))
    }
  }

  @Test(arguments: [0, 8, 16]) func aNaNIsAMaximumAndGetsTheGradient(_ block: Int) {
    let form = PoolingForm(.max, batch: 1, channels: 16, input: 2, window: 2, stride: 2, block: block)
    for place in 0..<form.inputCount {
      var x = (0..<form.inputCount).map { Float($0 % 7) }
      x[place] = .nan
      let y: [Float] = scratched(form, 16) { Fast.pool(form, x, $0, scratch: $1) }
      #expect(y.filter(\.isNaN).count == 1)
      let dx: [Float] = scratched(form, form.inputCount) {
        Fast.maxPoolGradient(form, x, [Float](repeating: 2, count: 16), $0, scratch: $1)
      }
      #expect(dx[place] == 2 && dx.reduce(0, +) == 32)
    }
  }

  @Test(arguments: [(0, 1), (0, 3), (0, 37), (8, 24), (16, 32)], [1, 2, 15, 16, 17, 64, 100])
  func globalMeansEqualTheFormula(_ layout: (block: Int, channels: Int), _ area: Int) {
    let size = Size2D(height: 1, width: area)
    let form = PoolingForm(
      globalAverageOf: size, batch: 3, channels: layout.channels, block: layout.block)
    var draw = Draw(UInt64(form.inputCount))
    let (x, dy) = (draw.values(form.inputCount), draw.values(form.planes * form.lanes))
    let fast: [Float] = result(form.outputCount) { Fast.globalAverage(form, x, $0) }
    let exact: [Double] = result(form.outputCount) {
      ReferenceKernels<Double>.globalAverage(form, x.doubles, $0)
    }
    #expect(relativeError(fast, exact, floor: 1) < Double(area) * rounding)
    #expect(
      bits(result(form.inputCount) { Fast.globalAverageGradient(form, dy, $0) })
        == bits(result(form.inputCount) { Single.globalAverageGradient(form, dy, $0) }))
  }

  /// As `result`, with scratch memory that is as large as the form says, its ends guarded too.
  private func scratched(
    _ form: PoolingForm, _ count: Int,
    _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> [Float] {
    var y: [Float] = []
    let _: [Float] = result(form.scratchCount) { scratch in y = result(count) { body($0, scratch) } }
    return y
  }
}
