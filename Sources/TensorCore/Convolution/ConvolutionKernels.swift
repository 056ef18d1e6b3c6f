/// Convolutions in both directions.
package protocol ConvolutionKernels: KernelBase {
  /// y = x ∗ weight, plus the bias and through ReLU where the form says so.
  static func convolution(
    _ form: ConvolutionForm, _ x: Input, _ weight: Input, _ bias: Input?, _ y: Output,
    primitive: PrimitiveSlot)
  /// dx, from the gradient dy of the convolution's result before any ReLU.
  static func convolutionInputGradient(
    _ form: ConvolutionForm, _ dy: Input, _ weight: Input, _ dx: Output, primitive: PrimitiveSlot)
  /// dweight, from the gradient dy of the convolution's result before any ReLU.
  static func convolutionWeightGradient(
    _ form: ConvolutionForm, _ x: Input, _ dy: Input, _ dweight: Output, primitive: PrimitiveSlot)
}

extension ReferenceKernels {
  package static func convolution(
    _ form: ConvolutionForm, _ x: Input, _ weight: Input, _ bias: Input?, _ y: Output,
    primitive: PrimitiveSlot
  ) {
    let image = form.y
    for n in 0..<form.batch {
      for o in 0..<form.outputChannels {
        let start = form.addsBias ? bias.map { $0[o] } ?? 0 : 0
        for h in 0..<image.size.height {
          for w in 0..<image.size.width { y[image.offset(n, o, h, w)] = start }
        }
      }
    }
    forEachTerm(form) { x_, weight_, y_ in y[y_] += x[x_] * weight[weight_] }
    if form.appliesReLU {
      for i in 0..<image.count { y[i] = y[i] <= 0 ? 0 : y[i] }
    }
  }

  package static func convolutionInputGradient(
    _ form: ConvolutionForm, _ dy: Input, _ weight: Input, _ dx: Output, primitive: PrimitiveSlot
  ) {
    dx.update(repeating: 0, count: form.x.count)
    forEachTerm(form) { x, weight_, y in dx[x] += dy[y] * weight[weight_] }
  }

  package static func convolutionWeightGradient(
    _ form: ConvolutionForm, _ x: Input, _ dy: Input, _ dweight: Output, primitive: PrimitiveSlot
  ) {
    dweight.update(repeating: 0, count: form.weightShape.count)
    forEachTerm(form) { x_, weight, y in dweight[weight] += x[x_] * dy[y] }
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
