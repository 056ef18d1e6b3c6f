// A plan's gradient against central differences of its loss, in double precision.

import TensorCore
import Testing

import Autodiff

/// ⟨gradient, d⟩ against (loss(w + hd) − loss(w − hd)) / 2h. With h = 1e-5 the formula's own error is about
/// h² = 1e-10 and rounding gives 1e-16/h = 1e-11 of the loss.
func checkGradient(of machine: Machine<Doubles>, _ name: String) {
  machine.poison()
  machine.run()
  let gradient = Array(machine.gradients.buffer.prefix(machine.plan.layout.count))
  let point = Array(machine.parameters.buffer)
  let used = machine.plan.layout.entries.flatMap { Array($0.range) }
  let step = 1e-5

  func loss(_ direction: [Double], _ step: Double) -> Double {
    for index in used { machine.parameters.base[index] = point[index] + step * direction[index] }
    machine.run()
    return machine.rider(.loss)
  }

  var directions = (0..<5).map { Draw(100 + $0).values(point.count) }
  // One direction within each parameter, so that none hides behind a larger one.
  for entry in machine.plan.layout.entries {
    var direction = [Double](repeating: 0, count: point.count)
    for index in entry.range { direction[index] = directions[0][index] }
    directions.append(direction)
  }
  for direction in directions {
    let difference = (loss(direction, step) - loss(direction, -step)) / (2 * step)
    let (product, magnitude) = used.reduce((0.0, 0.0)) { sum, index in
      let term = gradient[index] * direction[index]
      return (sum.0 + term, sum.1 + abs(term))
    }
    #expect(magnitude > 1e-6, "\(name): a gradient of zero shows nothing")
    #expect(
      abs(difference - product) <= 1e-6 * max(abs(product), 0.1 * magnitude),
      "\(name): differences give \(difference), the gradient \(product)")
  }
}
