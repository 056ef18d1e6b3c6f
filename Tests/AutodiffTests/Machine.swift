import TensorCore

import Autodiff

/// A plan with memory of its own, for either set of kernels.
final class Machine<Kernels: KernelSet> where Kernels.Scalar: AdditiveArithmetic {
  typealias Scalar = Kernels.Scalar

  let plan: Plan
  let parameters: Arena<Scalar>
  let gradients: Arena<Scalar>
  let activations: Arena<Scalar>
  let results: Arena<Scalar>
  var inputs: [Scalar] = []
  var targets: [Scalar] = []
  var labels: [Int32] = []
  var weights: [Scalar] = []
  /// The samples' numbers, for dropout.
  var samples = Array(0..<64)
  var step: UInt64 = 0

  init(_ plan: Plan) {
    self.plan = plan
    parameters = Arena(count: plan.layout.vectorCount)
    gradients = Arena(count: plan.layout.gradientCount)
    activations = Arena(count: plan.activationCount)
    results = Arena(count: plan.resultCount)
  }

  /// Whatever a plan reads before it has written it becomes visible.
  func poison() {
    gradients.base.update(repeating: .nan, count: gradients.count)
    activations.base.update(repeating: .nan, count: activations.count)
    results.base.update(repeating: .nan, count: results.count)
  }

  func set(_ name: String, _ values: [Scalar]) {
    guard let entry = entry(name) else { preconditionFailure("no tensor \(name)") }
    precondition(values.count == entry.shape.count)
    for (index, value) in values.enumerated() { parameters.base[entry.offset + index] = value }
  }

  /// Random values, the same for the same seed whatever the kind of number.
  func setAll(seed: UInt64, scale: Double = 1) {
    for entry in plan.layout.entries {
      set(entry.name, Draw(seed, entry.name).values(entry.shape.count).map { Scalar($0 * scale) })
    }
  }

  func run() { run { _ in } }

  func run(afterInstruction: (Int) throws -> Void) rethrows {
    try inputs.withUnsafeBufferPointer { inputs in
      try targets.withUnsafeBufferPointer { targets in
        try labels.withUnsafeBufferPointer { labels in
          try weights.withUnsafeBufferPointer { weights in
            try samples.withUnsafeBufferPointer { samples in
              var memory = bindings(inputs.baseAddress, targets.baseAddress, labels.baseAddress)
              memory.weights = weights.baseAddress
              memory.key = samples.baseAddress.map { PassKey(seed: 3, step: step, samples: $0) }
              try Executor<Kernels>.run(plan, memory, afterInstruction: afterInstruction)
            }
          }
        }
      }
    }
  }

  func bindings(
    _ inputs: UnsafePointer<Scalar>?, _ targets: UnsafePointer<Scalar>?, _ labels: UnsafePointer<Int32>?
  ) -> Bindings<Scalar> {
    var memory = Bindings(
      parameters: parameters.base, gradients: gradients.base, riders: gradients.base + plan.layout.count,
      activations: activations.base)
    memory.inputs = inputs
    memory.targets = targets
    memory.labels = labels
    memory.results = results.base
    return memory
  }

  func gradient(_ name: String) -> [Scalar] {
    guard let entry = entry(name) else { preconditionFailure("no parameter \(name)") }
    return entry.range.map { gradients.base[$0] }
  }

  func rider(_ rider: Rider) -> Scalar { gradients.base[plan.layout.count + rider.rawValue] }

  /// What the buffer called `name` is to follow.
  func statistic(_ name: String) -> [Scalar] {
    guard let buffer = plan.layout.buffers.first(where: { $0.entry.name == name }) else {
      preconditionFailure("no buffer \(name)")
    }
    return plan.layout.statistic(of: buffer).map { gradients.base[plan.layout.count + $0] }
  }

  var allGradients: [Scalar] { plan.layout.entries.flatMap { gradient($0.name) } }

  private func entry(_ name: String) -> VectorLayout.Entry? {
    plan.layout.allEntries.first { $0.name == name }
  }
}

/// Random numbers for a test, named so that two tensors of a test differ.
struct Draw {
  private var stream: RandomStream

  init(_ seed: UInt64, _ name: String = "") {
    let layer = name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }
    stream = RandomStream(seed: seed, purpose: .test, layer: layer)
  }

  mutating func next() -> Double { Double(stream.normal()) }

  mutating func integer(below bound: Int) -> Int { stream.integer(below: bound) }

  func values(_ count: Int) -> [Double] {
    var copy = self
    return (0..<count).map { _ in copy.next() }
  }

  func labels(_ count: Int, classes: Int) -> [Int32] {
    var copy = self
    return (0..<count).map { _ in Int32(copy.integer(below: classes)) }
  }
}

typealias Doubles = ReferenceKernels<Double>

extension Graph {
  /// The mean squared error of each row, summed over the rows: a scalar.
  mutating func squaredLoss(_ prediction: Node, _ target: Node) throws(GraphError) -> Node {
    try sum(valueLoss(.squared, prediction, target))
  }

  /// A batch normalization with parameters and buffers of its own.
  mutating func batchNormalization(
    _ x: Node, epsilon: Double = 0.1, momentum: Double = 0.1, isFrozen: Bool = false
  ) throws(GraphError) -> Node {
    let channels: Shape = [shape(of: x)[1]]
    return try batchNormalization(
      x, weight: parameter("weight", channels), bias: parameter("bias", channels),
      runningMean: buffer("running_mean", channels, initialValue: .constant(0), momentum: momentum),
      runningVariance: buffer("running_var", channels, initialValue: .constant(1), momentum: momentum),
      epsilon: epsilon, isFrozen: isFrozen)
  }

  /// A parameter that starts anywhere: tests set its values.
  mutating func parameter(_ name: String, _ shape: Shape) throws(GraphError) -> Node {
    try parameter(name, shape, initialValue: .constant(0))
  }
}
