// What Winograd's kernels do on their way from the source to the result, and how exact they are.

import TensorCore
import Testing

@Suite(.enabled(if: ActivationLayout.block == 16)) struct WinogradTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  /// Tiles that stick out, more of them than a group holds, two blocks of channels on one side.
  private var form: ConvolutionForm {
    var form = ConvolutionForm(
      batch: 3, inputChannels: 16, outputChannels: 32, input: .init(height: 8, width: 11), kernel: 3,
      padding: 1)
    (form.inputBlock, form.outputBlock) = (16, 16)
    return form
  }

  private func scratch(_ direction: ConvolutionDirection, of other: ConvolutionForm? = nil) -> [Float] {
    [Float](repeating: .nan, count: (other ?? form).scratchCount(direction))
  }

  @Test func theRuleFollowsTheForm() {
    #expect(ConvolutionDirection.allCases.allSatisfy { form.usesWinograd($0) })
    let others: [(inout ConvolutionForm) -> Void] = [
      { $0.stride = 2 }, { $0.dilation = 2 }, { $0.inputBlock = 0 }, { $0.outputBlock = 8 },
      { $0.kernel = .init(height: 3, width: 1) }, { $0.padding = 3 }, { $0.input = 5 },
    ]
    for change in others {
      var other = form
      change(&other)
      #expect(!other.usesWinograd(.forward), "\(other)")
    }
  }

  @Test(arguments: [false, true]) func aSourceIsNormalizedAsItIsElsewhere(_ appliesReLU: Bool) {
    // Two blocks of channels, each with numbers of its own.
    var form = form
    form.inputChannels = 32
    form.normalization = .init(epsilon: 0.1, appliesReLU: appliesReLU)
    var draw = Draw(1)
    let (x, weight, dy) = (
      draw.values(form.x.count), draw.values(form.weightShape.count), draw.values(form.y.count)
    )
    let statistics = draw.values(32) + draw.values(32).map { $0 * $0 }
    let (scale, shift) = (draw.values(32), draw.values(32))
    let normalization = BatchNormalizationForm(
      batch: 3, channels: 32, spatial: 88, block: 16, epsilon: 0.1, appliesReLU: appliesReLU)
    let normalized: [Float] = result(form.x.count) {
      Fast.normalize(normalization, x, statistics, scale, shift, added: nil, $0)
    }
    var plain = form
    plain.normalization = nil
    let none = PrimitiveTable(count: 1)
    var (forward, back) = (scratch(.forward, of: form), scratch(.weightGradient, of: form))
    // The same bits, whether it is read normalized or normalized while it is read.
    statistics.withUnsafeBufferPointer { statistics in
      scale.withUnsafeBufferPointer { scale in
        shift.withUnsafeBufferPointer { shift in
          var extras = ConvolutionExtras<Float>.none
          extras.statistics = statistics.baseAddress
          extras.normalizationWeight = scale.baseAddress
          extras.normalizationBias = shift.baseAddress
          let y: [Float] = result(form.y.count) {
            Fast.convolution(form, x, weight, extras, $0, primitive: none.slots, scratch: &forward)
          }
          let expected: [Float] = result(form.y.count) {
            Fast.convolution(plain, normalized, weight, .none, $0, primitive: none.slots, scratch: &forward)
          }
          #expect(bits(y) == bits(expected))
          let dweight: [Float] = result(form.weightShape.count) {
            Fast.convolutionWeightGradient(form, x, dy, extras, $0, primitive: none.slots, scratch: &back)
          }
          let expectedWeight: [Float] = result(form.weightShape.count) {
            Fast.convolutionWeightGradient(
              plain, normalized, dy, .none, $0, primitive: none.slots, scratch: &back)
          }
          #expect(bits(dweight) == bits(expectedWeight))
        }
      }
    }
  }

  @Test func aNaNPassesTheReLU() {
    var draw = Draw(4)
    var x = draw.values(form.x.count)
    let weight = draw.values(form.weightShape.count)
    x[40 * 16 + 3] = .nan
    let none = PrimitiveTable(count: 1)
    var rectified = form
    rectified.appliesReLU = true
    var scratch = scratch(.forward)
    let (plain, y): ([Float], [Float]) = (
      result(form.y.count) {
        Fast.convolution(form, x, weight, .none, $0, primitive: none.slots, scratch: &scratch)
      },
      result(form.y.count) {
        Fast.convolution(rectified, x, weight, .none, $0, primitive: none.slots, scratch: &scratch)
      }
    )
    #expect(plain.contains { $0.isNaN } && plain.contains { $0 < 0 })
    #expect(zip(plain, y).allSatisfy { $0.isNaN ? $1.isNaN : $1 == max(0, $0) })
  }

  @Test func gradientsMeetAndAreStoppedInPlace() {
    var draw = Draw(2)
    let (dy, weight) = (draw.values(form.y.count), draw.values(form.weightShape.count))
    let (added, passing) = (draw.values(form.x.count), draw.values(form.x.count))
    let none = PrimitiveTable(count: 1)
    var scratch = scratch(.inputGradient)
    let alone: [Float] = result(form.x.count) {
      Fast.convolutionInputGradient(form, dy, weight, .none, $0, primitive: none.slots, scratch: &scratch)
    }
    for (adds, stops) in [(true, false), (false, true), (true, true)] {
      var form = form
      (form.addsToGradient, form.stopsAtReLU) = (adds, stops)
      let expected = alone.indices.map { index in
        stops && passing[index] <= 0 ? 0 : adds ? alone[index] + added[index] : alone[index]
      }
      // The result lies where one of them did.
      let dx = changed(adds ? added : passing) { dx in
        added.withUnsafeBufferPointer { added in
          passing.withUnsafeBufferPointer { passing in
            var extras = ConvolutionExtras<Float>.none
            extras.added = adds ? UnsafePointer(dx) : added.baseAddress
            extras.passing = adds ? passing.baseAddress : UnsafePointer(dx)
            Fast.convolutionInputGradient(
              form, dy, weight, extras, dx, primitive: none.slots, scratch: &scratch)
          }
        }
      }
      #expect(bits(dx) == bits(expected), "adds \(adds), stops \(stops)")
    }
  }

  /// The bounds that `usesWinograd` states, with some room.
  @Test func roundingErrorsAreAsStated() {
    var draw = Draw(3)
    let (x, weight, dy) = (
      draw.values(form.x.count), draw.values(form.weightShape.count), draw.values(form.y.count)
    )
    let none = PrimitiveTable(count: 1)
    var (forward, backward, weights) = (scratch(.forward), scratch(.inputGradient), scratch(.weightGradient))
    func error(_ values: [Float], _ exact: [Double]) -> Double {
      let squares = zip(values, exact).reduce(into: (0.0, 0.0)) { sum, pair in
        sum.0 += (Double(pair.0) - pair.1) * (Double(pair.0) - pair.1)
        sum.1 += pair.1 * pair.1
      }
      return (squares.0 / squares.1).squareRoot()
    }
    let y = error(
      result(form.y.count) {
        Fast.convolution(form, x, weight, .none, $0, primitive: none.slots, scratch: &forward)
      },
      result(form.y.count) { y in
        Exact.convolution(form, x.doubles, weight.doubles, .none, y, primitive: none.slots, scratch: y)
      })
    let dx = error(
      result(form.x.count) {
        Fast.convolutionInputGradient(form, dy, weight, .none, $0, primitive: none.slots, scratch: &backward)
      },
      result(form.x.count) { dx in
        Exact.convolutionInputGradient(
          form, dy.doubles, weight.doubles, .none, dx, primitive: none.slots, scratch: dx)
      })
    let dweight = error(
      result(form.weightShape.count) {
        Fast.convolutionWeightGradient(form, x, dy, .none, $0, primitive: none.slots, scratch: &weights)
      },
      result(form.weightShape.count) { dw in
        Exact.convolutionWeightGradient(
          form, x.doubles, dy.doubles, .none, dw, primitive: none.slots, scratch: dw)
      })
    #expect(y < 8e-7 && dx < 8e-7 && dweight < 8e-7, "\(y) \(dx) \(dweight)")
  }
}
