// The fast convolutions against the reference in double precision, in every layout, and the reference against sums
// written out by hand.

import OneDNNPrimitives
import TensorCore
import Testing

/// Forms at the edges of what layers ask for: odd sizes, unequal sides, few channels, groups, gaps.
let convolutionForms: [ConvolutionForm] = [
  .init(batch: 1, inputChannels: 1, outputChannels: 1, input: 1, kernel: 1),
  .init(batch: 3, inputChannels: 1, outputChannels: 32, input: 7, kernel: 3),
  .init(batch: 2, inputChannels: 3, outputChannels: 16, input: 8, kernel: 3, padding: 1),
  .init(
    batch: 2, inputChannels: 3, outputChannels: 16, input: .init(height: 9, width: 6), kernel: 5, stride: 2,
    padding: 2),
  .init(batch: 2, inputChannels: 16, outputChannels: 16, input: 6, kernel: 3, padding: 1),
  .init(batch: 1, inputChannels: 16, outputChannels: 32, input: 8, kernel: 3, stride: 2, padding: 1),
  .init(batch: 2, inputChannels: 16, outputChannels: 32, input: 7, kernel: 1, stride: 2),
  .init(batch: 2, inputChannels: 32, outputChannels: 16, input: 5, kernel: 1),
  .init(
    batch: 1, inputChannels: 16, outputChannels: 16, input: .init(height: 11, width: 10),
    kernel: .init(height: 3, width: 2), stride: .init(height: 1, width: 2),
    padding: .init(height: 2, width: 0), dilation: .init(height: 2, width: 3)),
  .init(
    batch: 2, inputChannels: 5, outputChannels: 7, input: .init(height: 4, width: 9), kernel: 3, padding: 1),
  .init(batch: 2, inputChannels: 20, outputChannels: 50, input: 6, kernel: 5),
  .init(batch: 2, inputChannels: 20, outputChannels: 32, input: 5, kernel: 3),
  .init(batch: 2, inputChannels: 32, outputChannels: 10, input: 5, kernel: 3, stride: 2),
  .init(batch: 2, inputChannels: 16, outputChannels: 16, groups: 16, input: 6, kernel: 3, padding: 1),
  .init(
    batch: 2, inputChannels: 6, outputChannels: 12, groups: 6, input: 5, kernel: 3, stride: 2, padding: 1),
  .init(batch: 2, inputChannels: 32, outputChannels: 32, groups: 2, input: 5, kernel: 3, padding: 1),
  .init(batch: 2, inputChannels: 16, outputChannels: 32, groups: 4, input: 5, kernel: 3, dilation: 2),
  // Large enough for Winograd's algorithm in all directions.
  .init(batch: 1, inputChannels: 32, outputChannels: 32, input: 4, kernel: 3, padding: 1),
  // More tiles than a group holds, of several images and of one row, the last of them few and cut off; an odd number
  // of blocks of channels, padding of either kind.
  .init(
    batch: 3, inputChannels: 16, outputChannels: 16, input: .init(height: 8, width: 11), kernel: 3, padding: 1
  ),
  .init(
    batch: 1, inputChannels: 16, outputChannels: 16, input: .init(height: 4, width: 66), kernel: 3, padding: 1
  ),
  .init(
    batch: 1, inputChannels: 32, outputChannels: 48, input: .init(height: 4, width: 6), kernel: 3,
    padding: .init(height: 2, width: 0)),
  // The last rows and columns reach nothing.
  .init(batch: 1, inputChannels: 16, outputChannels: 16, input: 8, kernel: 2, stride: 3),
]

@Suite struct ConvolutionKernelTests {
  typealias Fast = FloatKernels
  typealias Exact = ReferenceKernels<Double>
  typealias Run<Scalar> = (
    ConvolutionForm, UnsafePointer<Scalar>, UnsafePointer<Scalar>, ConvolutionExtras<Scalar>,
    UnsafeMutablePointer<Scalar>, PrimitiveSlot, UnsafeMutablePointer<Scalar>
  ) -> Void

  /// The form with its images plain and in blocks, wherever the channels allow it.
  private func layouts(_ form: ConvolutionForm) -> [ConvolutionForm] {
    [0, 8, 16].flatMap { input in
      [0, 8, 16].compactMap { output in
        guard input == 0 || form.inputChannels % input == 0, output == 0 || form.outputChannels % output == 0
        else { return nil }
        var other = form
        other.inputBlock = input
        other.outputBlock = output
        return other
      }
    }
  }

  /// The bound is that of a sum of `depth` products in any order; Winograd's transforms amplify roundings by
  /// up to a hundred, of numbers that are themselves small against the sum of magnitudes.
  private func compare(
    _ direction: ConvolutionDirection, _ form: ConvolutionForm, count: Int, depth: Int, _ a: [Float],
    _ b: [Float],
    bias: [Float] = [], fast: Run<Float>, exact: Run<Double>
  ) {
    let primitives = PrimitiveTable(count: 1)
    func reference(_ transform: (Double) -> Double) -> [Double] {
      result(count) { y in
        let (a, b, bias) = (a.doubles.map(transform), b.doubles.map(transform), bias.doubles.map(transform))
        bias.withUnsafeBufferPointer {
          exact(form, a, b, .init(bias: $0.baseAddress), y, primitives.slots, y)
        }
      }
    }
    let (expected, magnitudes) = (reference { $0 }, reference(abs))
    let roundings = Double(depth + 2 + (form.usesWinograd(direction) ? 100 : 0))
    // Twice: the second time the primitive is there already, and the memory lies elsewhere.
    for time in 0..<2 {
      let (a, b, bias) = (a.map { $0 }, b.map { $0 }, bias.map { $0 })
      var values: [Float] = []
      _ = result(form.scratchCount(direction)) { (scratch: UnsafeMutablePointer<Float>) in
        values = result(count) { y in
          bias.withUnsafeBufferPointer {
            fast(form, a, b, .init(bias: $0.baseAddress), y, primitives.slots, scratch)
          }
        }
      }
      let isWithin = values.indices.allSatisfy {
        abs(Double(values[$0]) - expected[$0]) <= roundings * rounding * magnitudes[$0]
      }
      #expect(isWithin, "\(direction), time \(time), \(form)")
    }
  }

  @Test(arguments: convolutionForms.indices)
  func convolutionsEqualTheReferenceInEveryLayout(_ index: Int) {
    var draw = Draw(UInt64(index))
    let plain = convolutionForms[index]
    let (x, weight) = (draw.values(plain.x.count), draw.values(plain.weightShape.count))
    let (dy, bias) = (draw.values(plain.y.count), draw.values(plain.outputChannels))
    let (inputs, outputs) = (plain.inputChannels / plain.groups, plain.outputChannels / plain.groups)
    for form in layouts(plain) {
      var (biased, rectified) = (form, form)
      (biased.addsBias, rectified.addsBias, rectified.appliesReLU) = (true, true, true)
      for form in [form, biased, rectified] {
        compare(
          .forward, form, count: form.y.count, depth: inputs * form.kernel.area + 1, x, weight, bias: bias,
          fast: { Fast.convolution($0, $1, $2, $3, $4, primitive: $5, scratch: $6) },
          exact: { Exact.convolution($0, $1, $2, $3, $4, primitive: $5, scratch: $6) })
      }
      compare(
        .inputGradient, form, count: form.x.count, depth: outputs * form.kernel.area, dy, weight,
        fast: { Fast.convolutionInputGradient($0, $1, $2, $3, $4, primitive: $5, scratch: $6) },
        exact: { Exact.convolutionInputGradient($0, $1, $2, $3, $4, primitive: $5, scratch: $6) })
      compare(
        .weightGradient, form, count: form.weightShape.count, depth: form.batch * form.output.area, x, dy,
        fast: { Fast.convolutionWeightGradient($0, $1, $2, $3, $4, primitive: $5, scratch: $6) },
        exact: { Exact.convolutionWeightGradient($0, $1, $2, $3, $4, primitive: $5, scratch: $6) })
    }
  }

  /// The reference itself, on a form small enough for a hand: 1 channel, 3×3 image, 2×2 kernel, padding 1,
  /// stride 2. y[h, w] sums the image's elements (2h − 1 + a, 2w − 1 + b).
  @Test func theReferenceFollowsTheDefinition() {
    var form = ConvolutionForm(
      batch: 1, inputChannels: 1, outputChannels: 1, input: 3, kernel: 2, stride: 2, padding: 1)
    form.addsBias = true
    let none = PrimitiveTable(count: 1)
    let x: [Double] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    let y: [Double] = result(4) { y in
      [0.5].withUnsafeBufferPointer {
        Exact.convolution(
          form, x, [1, 10, 100, 1000], .init(bias: $0.baseAddress), y, primitive: none.slots, scratch: y)
      }
    }
    #expect(y == [1000.5, 3200.5, 7040.5, 9865.5])
    let dx: [Double] = result(9) {
      Exact.convolutionInputGradient(
        form, [1, 2, 3, 4], [1, 10, 100, 1000], .none, $0, primitive: none.slots, scratch: $0)
    }
    #expect(dx == [1000, 200, 2000, 30, 4, 40, 3000, 400, 4000])
    let dweight: [Double] = result(4) {
      Exact.convolutionWeightGradient(
        form, x, [1, 2, 3, 4], .none, $0, primitive: none.slots, scratch: $0)
    }
    #expect(dweight == [20, 36, 36, 64])
  }

  @Test func aKernelLargerThanThePaddedInputLeavesNothing() {
    let form = ConvolutionForm(
      batch: 1, inputChannels: 1, outputChannels: 1, input: .init(height: 4, width: 3), kernel: 3, dilation: 2
    )
    #expect(form.reach == 5)
    #expect(form.output == .init(height: 0, width: 0))
    var padded = form
    padded.padding = .init(height: 1, width: 1)
    #expect(padded.output == .init(height: 2, width: 1))
  }
}
