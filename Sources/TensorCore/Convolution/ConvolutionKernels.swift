/// Convolutions in both directions.
package protocol ConvolutionKernels: KernelBase {
  /// y = x ∗ weight, plus the bias and through ReLU where the form says so.
  ///
  /// - Parameter scratch: here and below, `form.scratchCount` elements of the direction.
  static func convolution(
    _ form: ConvolutionForm, _ x: Input, _ weight: Input, _ extras: ConvolutionExtras<Scalar>, _ y: Output,
    primitive: PrimitiveSlot, scratch: Output)
  /// dx, from the gradient dy of the convolution's result before any ReLU.
  static func convolutionInputGradient(
    _ form: ConvolutionForm, _ dy: Input, _ weight: Input, _ extras: ConvolutionExtras<Scalar>, _ dx: Output,
    primitive: PrimitiveSlot, scratch: Output)
  /// dweight, from the gradient dy of the convolution's result before any ReLU.
  static func convolutionWeightGradient(
    _ form: ConvolutionForm, _ x: Input, _ dy: Input, _ extras: ConvolutionExtras<Scalar>, _ dweight: Output,
    primitive: PrimitiveSlot, scratch: Output)
}

extension ReferenceKernels {
  package static func convolution(
    _ form: ConvolutionForm, _ x: Input, _ weight: Input, _ extras: ConvolutionExtras<Scalar>, _ y: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    let x = normalized(form, x, extras)
    let image = form.y
    for n in 0..<form.batch {
      for o in 0..<form.outputChannels {
        let start = form.addsBias ? extras.bias.map { $0[o] } ?? 0 : 0
        for h in 0..<image.size.height {
          for w in 0..<image.size.width { y[image.offset(n, o, h, w)] = start }
        }
      }
    }
    forEachTerm(form) { x_, weight_, y_ in y[y_] += x(x_) * weight[weight_] }
    if form.appliesReLU {
      for i in 0..<image.count { y[i] = y[i] <= 0 ? 0 : y[i] }
    }
  }

  package static func convolutionInputGradient(
    _ form: ConvolutionForm, _ dy: Input, _ weight: Input, _ extras: ConvolutionExtras<Scalar>, _ dx: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    // What is added, or where the ReLU let through, may lie where dx will.
    var sums = [Scalar](repeating: 0, count: form.x.count)
    forEachTerm(form) { x, weight_, y in sums[x] += dy[y] * weight[weight_] }
    for i in sums.indices {
      if form.addsToGradient, let added = extras.added { sums[i] += added[i] }
      if form.stopsAtReLU, let passing = extras.passing, passing[i] <= 0 { sums[i] = 0 }
    }
    for i in sums.indices { dx[i] = sums[i] }
  }

  package static func convolutionWeightGradient(
    _ form: ConvolutionForm, _ x: Input, _ dy: Input, _ extras: ConvolutionExtras<Scalar>, _ dweight: Output,
    primitive: PrimitiveSlot, scratch: Output
  ) {
    let x = normalized(form, x, extras)
    dweight.update(repeating: 0, count: form.weightShape.count)
    forEachTerm(form) { x_, weight, y in dweight[weight] += x(x_) * dy[y] }
  }

  /// What is convolved: x, or x normalized where the form says so.
  private static func normalized(
    _ form: ConvolutionForm, _ x: Input, _ extras: ConvolutionExtras<Scalar>
  ) -> (Int) -> Scalar {
    guard let normalization = form.normalization, let statistics = extras.statistics,
      let weight = extras.normalizationWeight, let bias = extras.normalizationBias
    else { return { x[$0] } }
    var values = [Scalar](repeating: 0, count: form.x.count)
    values.withUnsafeMutableBufferPointer { buffer in
      guard let y = buffer.baseAddress else { return }
      normalize(form.normalization(normalization), x, statistics, weight, bias, added: nil, y)
    }
    return { [values] in values[$0] }
  }

  /// Calls `body` with the positions of x, weight and y for each product that the convolution adds up.
  private static func forEachTerm(_ form: ConvolutionForm, _ body: (Int, Int, Int) -> Void) {
    let (xForm, yForm) = (form.x, form.y)
    let (inputs, outputs) = (form.inputChannels / form.groups, form.outputChannels / form.groups)
    for n in 0..<form.batch {
      for o in 0..<form.outputChannels {
        for i in 0..<inputs {
          for a in 0..<form.kernel.height {
            for b in 0..<form.kernel.width {
              let weight = ((o * inputs + i) * form.kernel.height + a) * form.kernel.width + b
              for h in 0..<yForm.size.height {
                let row = h * form.stride.height - form.padding.height + a * form.dilation.height
                guard row >= 0, row < form.input.height else { continue }
                for w in 0..<yForm.size.width {
                  let column = w * form.stride.width - form.padding.width + b * form.dilation.width
                  guard column >= 0, column < form.input.width else { continue }
                  let x = xForm.offset(n, o / outputs * inputs + i, row, column)
                  body(x, weight, yForm.offset(n, o, h, w))
                }
              }
            }
          }
        }
      }
    }
  }
}
