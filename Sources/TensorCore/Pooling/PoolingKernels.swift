import CKernels

/// Pooling in both directions.
package protocol PoolingKernels: KernelBase {
  /// y = the maximum or the mean of each window; a NaN is a maximum.
  static func pool(_ form: PoolingForm, _ x: Input, _ y: Output, scratch: Output)
  /// dx: each window's dy goes to its largest element, of equal ones to the first, row by row.
  static func maxPoolGradient(
    _ form: PoolingForm, _ x: Input, _ dy: Input, _ dx: Output, scratch: Output)
  /// dx: each window's dy is spread evenly.
  static func averagePoolGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output, scratch: Output)
  /// y[batch, channels] = the mean of each image of x, in either layout.
  static func globalAverage(_ form: PoolingForm, _ x: Input, _ y: Output)
  static func globalAverageGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output)
}

extension ReferenceKernels: PoolingKernels {
  package static func pool(_ form: PoolingForm, _ x: Input, _ y: Output, scratch: Output) {
    forEachWindow(form) { output, covered in
      switch form.kind {
      case .max: y[output] = x[largest(x, covered)]
      case .average: y[output] = covered.reduce(0) { $0 + x[$1] } / divisor(form, covered)
      }
    }
  }

  package static func maxPoolGradient(
    _ form: PoolingForm, _ x: Input, _ dy: Input, _ dx: Output, scratch: Output
  ) {
    dx.update(repeating: 0, count: form.inputCount)
    forEachWindow(form) { output, covered in dx[largest(x, covered)] += dy[output] }
  }

  package static func averagePoolGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output, scratch: Output) {
    dx.update(repeating: 0, count: form.inputCount)
    forEachWindow(form) { output, covered in
      for position in covered { dx[position] += dy[output] / divisor(form, covered) }
    }
  }

  package static func globalAverage(_ form: PoolingForm, _ x: Input, _ y: Output) {
    pool(form, x, y, scratch: y)
  }

  package static func globalAverageGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output) {
    averagePoolGradient(form, dy, dx, scratch: dx)
  }

  /// Calls `body` with the position of each element of y, and those of x that its window covers, row by row.
  private static func forEachWindow(_ form: PoolingForm, _ body: (Int, [Int]) -> Void) {
    func covered(_ axis: KeyPath<Size2D, Int>, _ output: Int) -> [Int] {
      let start = output * form.stride[keyPath: axis] - form.padding[keyPath: axis]
      return (start..<start + form.window[keyPath: axis]).filter {
        (0..<form.input[keyPath: axis]).contains($0)
      }
    }
    for plane in 0..<form.planes {
      for h in 0..<form.output.height {
        for w in 0..<form.output.width {
          for lane in 0..<form.lanes {
            let positions = covered(\.height, h).flatMap { row in
              covered(\.width, w).map { column in
                ((plane * form.input.height + row) * form.input.width + column) * form.lanes + lane
              }
            }
            body(((plane * form.output.height + h) * form.output.width + w) * form.lanes + lane, positions)
          }
        }
      }
    }
  }

  /// The position of the first of the largest; of the last NaN, where there is one.
  private static func largest(_ x: Input, _ positions: [Int]) -> Int {
    positions.dropFirst().reduce(positions[0]) { x[$1] > x[$0] || x[$1].isNaN ? $1 : $0 }
  }

  private static func divisor(_ form: PoolingForm, _ covered: [Int]) -> Scalar {
    Scalar(form.countsPadding ? form.window.area : covered.count)
  }
}

extension FloatKernels: PoolingKernels {
  package static func pool(_ form: PoolingForm, _ x: Input, _ y: Output, scratch: Output) {
    switch form.kind {
    case .max: lockstep_max_pool(form.kernel, x, y, scratch)
    case .average: lockstep_average_pool(form.kernel, x, y, scratch)
    }
  }

  package static func maxPoolGradient(
    _ form: PoolingForm, _ x: Input, _ dy: Input, _ dx: Output, scratch: Output
  ) {
    lockstep_max_pool_gradient(form.kernel, x, dy, dx, scratch)
  }

  package static func averagePoolGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output, scratch: Output) {
    lockstep_average_pool_gradient(form.kernel, dy, dx, scratch)
  }

  package static func globalAverage(_ form: PoolingForm, _ x: Input, _ y: Output) {
    lockstep_global_average(x, y, form.planes, form.input.area, form.lanes)
  }

  package static func globalAverageGradient(_ form: PoolingForm, _ dy: Input, _ dx: Output) {
    lockstep_global_average_gradient(dy, dx, form.planes, form.input.area, form.lanes)
  }
}
