// Recurrent kernels: the fast ones against the reference in double precision, at odd extents, and facts that hold
// of both. Whether the reference is right is told by PyTorch's numbers and by central differences elsewhere.

import TensorCore
import Testing

@Suite struct RecurrentKernelTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  /// One thread, as ranks have by default: the products of the steps are ours then.
  init() { ComputeLibrary.setThreads(1) }

  private static let extents = [1, 5].flatMap { steps in
    [1, 3, 7].flatMap { batch in [1, 5, 17, 33].map { (steps, batch, $0) } }
  }

  /// Sums of up to 33 products and their functions, over up to 5 steps: a few roundings each.
  @Test(arguments: RecurrentCell.allCases, extents)
  func bothPassesEqualTheReference(_ cell: RecurrentCell, _ extents: (Int, Int, Int)) {
    for isReversed in [false, true] {
      for usesBias in [false, true] where cell == .gru || !usesBias {
        let test = Case(
          RecurrentForm(
            cell: cell, steps: extents.0, batch: extents.1, hidden: extents.2, isReversed: isReversed,
            usesBias: usesBias))
        let y = test.forward()
        #expect(relativeError(y, test.exactForward(), floor: 1) < 32 * rounding, "\(test.form)")
        #expect(
          relativeError(test.backward(y), test.exactBackward(y), floor: 1) < 64 * rounding, "\(test.form)")
      }
    }
  }

  /// The product over all steps is taken in parts of 512 rows.
  @Test(arguments: [false, true]) func theWeightsGradientSumsOverManySteps(_ isReversed: Bool) {
    let test = Case(
      RecurrentForm(cell: .gru, steps: 200, batch: 7, hidden: 3, isReversed: isReversed, usesBias: true))
    let y = test.forward()
    let dx = test.backward(y)
    let error = relativeError(test.weightGradient(y, dx), test.exactWeightGradient(y, dx), floor: 10)
    #expect(error < 256 * rounding)
  }

  @Test(arguments: RecurrentCell.allCases)
  func aReversedPassIsAForwardPassOverReversedTime(_ cell: RecurrentCell) {
    let test = Case(RecurrentForm(cell: cell, steps: 5, batch: 3, hidden: 17, isReversed: true))
    var form = test.form
    form.isReversed = false
    let turned = Case(
      form, x: flipped(test.x, 5), weight: test.weight, bias: test.bias, dh: flipped(test.dh, 5))
    let (y, turnedY) = (test.forward(), turned.forward())
    for part in stride(from: 0, to: form.resultCount, by: form.stateCount) where part < form.gatesOffset {
      let range = part..<part + form.stateCount
      #expect(flipped(Array(turnedY[range]), 5) == Array(y[range]))
    }
    let (dx, turnedDx) = (test.backward(y), turned.backward(turnedY))
    #expect(flipped(Array(turnedDx[..<form.sumCount]), 5) == Array(dx[..<form.sumCount]))
    #expect(
      flipped(Array(turnedDx[form.recurrentGradientOffset...].prefix(form.sumCount)), 5)
        == Array(dx[form.recurrentGradientOffset...].prefix(form.sumCount)))
  }

  @Test(arguments: RecurrentCell.allCases)
  func laterStepsDoNotChangeEarlierStates(_ cell: RecurrentCell) {
    let test = Case(RecurrentForm(cell: cell, steps: 5, batch: 3, hidden: 17))
    var form = test.form
    form.steps = 2
    let short = Case(
      form, x: Array(test.x.prefix(form.sumCount)), weight: test.weight, bias: test.bias,
      dh: Array(test.dh.prefix(form.stateCount)))
    #expect(short.forward().prefix(form.stateCount) == test.forward().prefix(form.stateCount))
  }

  /// A state that the loss does not see has no gradient of its own, but passes on that of later ones.
  @Test(arguments: RecurrentCell.allCases)
  func theLastStatesGradientReachesTheFirstInput(_ cell: RecurrentCell) {
    let form = RecurrentForm(cell: cell, steps: 5, batch: 2, hidden: 5)
    let base = Case(form)
    let last = form.stateCount - form.stepCount
    let dh = base.dh.indices.map { $0 < last ? 0 : base.dh[$0] }
    let test = Case(form, x: base.x, weight: base.weight, bias: base.bias, dh: dh)
    #expect(test.backward(test.forward()).prefix(form.stepSumCount).contains { abs($0) > 1e-6 })
  }

  @Test(arguments: RecurrentCell.allCases) func aNumberThatIsNoneStaysVisible(_ cell: RecurrentCell) {
    let form = RecurrentForm(cell: cell, steps: 3, batch: 1, hidden: 5)
    let base = Case(form)
    var x = base.x
    x[0] = .nan
    let y = Case(form, x: x, weight: base.weight, bias: base.bias, dh: base.dh).forward()
    #expect(y[0].isNaN && y[form.stateCount - 1].isNaN)
  }

  private func flipped(_ values: [Float], _ steps: Int) -> [Float] {
    let size = values.count / steps
    return (0..<steps).reversed().flatMap { values[$0 * size..<($0 + 1) * size] }
  }

  /// What both passes read, and both passes.
  private struct Case {
    let form: RecurrentForm
    let x, weight, bias, dh: [Float]

    init(_ form: RecurrentForm) {
      var draw = Draw(UInt64(form.resultCount))
      self.init(
        form, x: draw.values(form.sumCount),
        weight: draw.values(
          form.cell.gates * form.hidden * form.hidden, scale: 1 / Float(form.hidden).squareRoot()),
        bias: draw.values(form.cell.gates * form.hidden, scale: 0.5), dh: draw.values(form.stateCount))
    }

    init(_ form: RecurrentForm, x: [Float], weight: [Float], bias: [Float], dh: [Float]) {
      (self.form, self.x, self.weight, self.bias, self.dh) = (form, x, weight, bias, dh)
    }

    func forward() -> [Float] {
      var scratch = [Float](repeating: .nan, count: form.scratchCount)
      return bias.withUnsafeBufferPointer { bias in
        result(form.resultCount) {
          Fast.recurrent(
            form, x, weight: weight, bias: form.usesBias ? bias.baseAddress : nil, $0, scratch: &scratch)
        }
      }
    }

    func exactForward() -> [Double] {
      var scratch: [Double] = []
      return bias.doubles.withUnsafeBufferPointer { bias in
        result(form.resultCount) {
          Exact.recurrent(
            form, x.doubles, weight: weight.doubles, bias: form.usesBias ? bias.baseAddress : nil, $0,
            scratch: &scratch)
        }
      }
    }

    func backward(_ y: [Float]) -> [Float] {
      var scratch = [Float](repeating: .nan, count: form.gradientScratchCount)
      return result(form.gradientCount) {
        Fast.recurrentGradient(form, y, dh, weight: weight, $0, scratch: &scratch)
      }
    }

    func exactBackward(_ y: [Float]) -> [Double] {
      var scratch = [Double](repeating: .nan, count: form.gradientScratchCount)
      return result(form.gradientCount) {
        Exact.recurrentGradient(form, y.doubles, dh.doubles, weight: weight.doubles, $0, scratch: &scratch)
      }
    }

    func weightGradient(_ y: [Float], _ dx: [Float]) -> [Float] {
      result(weight.count) { Fast.recurrentWeightGradient(form, y, dx, $0) }
    }

    func exactWeightGradient(_ y: [Float], _ dx: [Float]) -> [Double] {
      result(weight.count) { Exact.recurrentWeightGradient(form, y.doubles, dx.doubles, $0) }
    }
  }
}
