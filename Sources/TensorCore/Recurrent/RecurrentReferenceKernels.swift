import Foundation

/// A hidden unit at a time, as the formulas say.
extension ReferenceKernels: RecurrentKernels {
  package static func recurrent(
    _ form: RecurrentForm, _ x: Input, weight: Input, bias: Input?, _ y: Output, scratch: Output
  ) {
    let (n, sums) = (form.hidden, form.cell.gates * form.hidden)
    for position in 0..<form.steps {
      for row in 0..<form.batch {
        let at = form.step(at: position) * form.batch + row
        let before = position == 0 ? nil : form.step(at: position - 1) * form.batch + row
        for unit in 0..<n {
          let input = (0..<form.cell.gates).map { x[at * sums + $0 * n + unit] }
          let recurrent = (0..<form.cell.gates).map { gate in
            var sum = bias?[gate * n + unit] ?? 0
            guard let before else { return sum }
            for k in 0..<n { sum += weight[(gate * n + unit) * n + k] * y[before * n + k] }
            return sum
          }
          let previous = before.map { $0 * n + unit }
          write(form, input, recurrent, y, at: at * n + unit, gates: at * 4 * n + unit, previous: previous)
        }
      }
    }
  }

  /// One unit's state, from the two parts of its sums.
  private static func write(
    _ form: RecurrentForm, _ x: [Scalar], _ u: [Scalar], _ y: Output, at: Int, gates: Int, previous: Int?
  ) {
    var saved: [Scalar]
    switch form.cell {
    case .tanh:
      y[at] = tanh(x[0] + u[0])
      return
    case .relu:
      y[at] = x[0] + u[0] <= 0 ? 0 : x[0] + u[0]
      return
    case .lstm:
      let c = y + form.cellOffset
      saved = [sigmoid(x[0] + u[0]), sigmoid(x[1] + u[1]), tanh(x[2] + u[2]), sigmoid(x[3] + u[3])]
      c[at] = saved[1] * (previous.map { c[$0] } ?? 0) + saved[0] * saved[2]
      y[at] = saved[3] * tanh(c[at])
    case .gru:
      let (r, z) = (sigmoid(x[0] + u[0]), sigmoid(x[1] + u[1]))
      saved = [r, z, tanh(x[2] + r * u[2]), u[2]]
      y[at] = (1 - z) * saved[2] + z * (previous.map { y[$0] } ?? 0)
    }
    for gate in 0..<4 { y[form.gatesOffset + gates + gate * form.hidden] = saved[gate] }
  }

  package static func recurrentGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Input, weight: Input, _ dx: Output, scratch: Output
  ) {
    let (n, sums) = (form.hidden, form.cell.gates * form.hidden)
    let (carriedH, carriedC) = (scratch, scratch + form.stepCount)
    scratch.update(repeating: 0, count: form.packedWeightOffset)
    for position in (0..<form.steps).reversed() {
      for row in 0..<form.batch {
        let at = form.step(at: position) * form.batch + row
        let before = position == 0 ? nil : form.step(at: position - 1) * form.batch + row
        let du = dx + form.recurrentGradientOffset + at * sums
        for unit in 0..<n {
          let carried = row * n + unit
          let (input, recurrent, kept) = unitGradient(
            form, y, dh[at * n + unit] + carriedH[carried],
            carriedC: form.cell == .lstm ? carriedC[carried] : 0,
            at: at * n + unit, gates: at * 4 * n + unit, previous: before.map { $0 * n + unit })
          for gate in 0..<form.cell.gates {
            dx[at * sums + gate * n + unit] = input[gate]
            du[gate * n + unit] = recurrent[gate]
          }
          carriedH[carried] = form.cell == .gru ? kept : 0
          if form.cell == .lstm { carriedC[carried] = kept }
        }
        for unit in 0..<n {
          for sum in 0..<sums { carriedH[row * n + unit] += du[sum] * weight[sum * n + unit] }
        }
      }
    }
  }

  package static func recurrentWeightGradient(
    _ form: RecurrentForm, _ y: Input, _ dx: Input, _ dw: Output
  ) {
    let (n, sums) = (form.hidden, form.cell.gates * form.hidden)
    let du = dx + form.recurrentGradientOffset
    dw.update(repeating: 0, count: sums * n)
    for position in 1..<max(form.steps, 1) {
      let (step, previous) = (form.step(at: position), form.step(at: position - 1))
      for row in 0..<form.batch {
        for sum in 0..<sums {
          for unit in 0..<n {
            dw[sum * n + unit] +=
              du[(step * form.batch + row) * sums + sum] * y[(previous * form.batch + row) * n + unit]
          }
        }
      }
    }
  }

  /// The gradients of the two parts of one unit's sums, and what goes on to the previous step: for an LSTM the
  /// gradient of c′, for a GRU that of h′ but for what passes U.
  private static func unitGradient(
    _ form: RecurrentForm, _ y: Input, _ dh: Scalar, carriedC: Scalar, at: Int, gates: Int, previous: Int?
  ) -> (input: [Scalar], recurrent: [Scalar], kept: Scalar) {
    func gate(_ index: Int) -> Scalar { y[form.gatesOffset + gates + index * form.hidden] }
    switch form.cell {
    case .tanh:
      let d = dh * (1 - y[at] * y[at])
      return ([d], [d], 0)
    case .relu:
      let d = y[at] <= 0 ? 0 : dh
      return ([d], [d], 0)
    case .lstm:
      let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3))
      let tanhC = tanh(y[form.cellOffset + at])
      let dc = carriedC + dh * o * (1 - tanhC * tanhC)
      let previousC = previous.map { y[form.cellOffset + $0] } ?? 0
      let d = [
        dc * g * i * (1 - i), dc * previousC * f * (1 - f), dc * i * (1 - g * g), dh * tanhC * o * (1 - o),
      ]
      return (d, d, dc * f)
    case .gru:
      let (r, z, n, q) = (gate(0), gate(1), gate(2), gate(3))
      let dz = dh * ((previous.map { y[$0] } ?? 0) - n) * z * (1 - z)
      let dn = dh * (1 - z) * (1 - n * n)
      let dr = dn * q * r * (1 - r)
      return ([dr, dz, dn], [dr, dz, dn * r], dh * z)
    }
  }

  private static func sigmoid(_ x: Scalar) -> Scalar { 1 / (1 + Scalar(Foundation.exp(Double(-x)))) }

  private static func tanh(_ x: Scalar) -> Scalar { Scalar(Foundation.tanh(Double(x))) }
}
