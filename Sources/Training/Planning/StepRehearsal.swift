import Autodiff
import Averaging
import Datasets
import Foundation
import Optimizers
import TensorCore

/// One rank's part of a step, really done a few times on samples of the data, with nobody to talk to: every
/// instruction of its plans, every addition, its update, over memory laid out as in training.
final class StepRehearsal {
  /// Bytes of the arenas that it holds.
  private(set) var byteCount = 0

  private let subject: PlanSubject
  private let share: RankShare
  private let plans: [Int: Plan]
  private let parameters: Arena<Float>
  private let buffers: [Arena<Float>]
  private let received: Arena<Float>
  private let activations: Arena<Float>
  private let state: OptimizerState
  private let norm: GradientNorm
  private let samples: Arena<Int>
  private let inputs: Arena<Float>
  private let labels: Arena<Int32>
  private let values: Arena<Float>
  private let weights: Arena<Float>
  private var numbers = RandomStream(seed: 1, purpose: .test)

  init(_ subject: PlanSubject) throws {
    let (layout, data) = (subject.objective.layout, subject.data)
    let share = RankShare(subject, batch: subject.batch)
    self.subject = subject
    self.share = share
    var plans: [Int: Plan] = [:]
    for size in Set(share.run.map { share.sizes[$0] }) where size > 0 {
      plans[size] = try subject.objective.trainingPlan(batch: size)
    }
    self.plans = plans
    let capacity = plans.keys.max() ?? 1
    parameters = Arena(count: layout.vectorCount)
    subject.objective.fillInitialValues(parameters, seed: 1)
    buffers = (0..<max(share.bufferCount, 1)).map { _ in Arena(count: layout.gradientCount) }
    received = Arena(count: share.receivedCount)
    activations = Arena(count: plans.values.map(\.activationCount).max() ?? 0)
    state = OptimizerState(subject.optimizer, layout: layout, range: share.owned)
    norm = GradientNorm(layout, optimizer: subject.optimizer)
    samples = Arena(count: capacity)
    inputs = Arena(count: capacity * data.inputSize)
    labels = Arena(count: capacity * data.target.labelsPerSample)
    values = Arena(count: capacity * data.target.valuesPerSample)
    weights = Arena(count: data.isWeighted ? capacity : 0)
    let floats =
      parameters.count + buffers.reduce(0) { $0 + $1.count } + received.count + activations.count
      + state.vectors.reduce(0) { $0 + $1.count } + inputs.count + labels.count + values.count
    byteCount = floats * MemoryLayout<Float>.stride
  }

  /// What is done in a step, each kind timed by itself.
  private enum Kind: Hashable { case compute(Int), gather(Int), add, meet, update }

  /// Rehearses for about so many seconds, at least once after a first time that does not count.
  func run(seconds: Double) -> StepTiming {
    var counts: [Kind: Int] = [.update: 1]
    if share.allPartials > 1 { counts[.meet] = share.allPartials - 1 }
    for action in share.actions {
      switch action {
      case .compute(let shard, _):
        counts[.compute(share.sizes[shard]), default: 0] += 1
        counts[.gather(share.sizes[shard]), default: 0] += 1
      case .add: counts[.add, default: 0] += 1
      }
    }
    var clock = Clock()
    for kind in counts.keys { perform(kind, buffer: 0, &clock) }
    clock = Clock()
    let end = MonotonicTime.seconds + seconds
    repeat { step(&clock, end: end) } while MonotonicTime.seconds < end
    // The time may be over before everything had its turn.
    for kind in counts.keys where clock.times[kind] == nil { perform(kind, buffer: 0, &clock) }
    return timing(counts, clock)
  }

  private func step(_ clock: inout Clock, end: Double) {
    for action in share.actions {
      switch action {
      case .compute(let shard, let buffer):
        perform(.gather(share.sizes[shard]), buffer: buffer, &clock)
        perform(.compute(share.sizes[shard]), buffer: buffer, &clock)
      case .add(let buffer, _): perform(.add, buffer: buffer, &clock)
      }
      if MonotonicTime.seconds > end { return }
    }
    if share.allPartials > 1 { for _ in 1..<share.allPartials { perform(.meet, buffer: 0, &clock) } }
    perform(.update, buffer: 0, &clock)
  }

  private func timing(_ counts: [Kind: Int], _ clock: Clock) -> StepTiming {
    var result = StepTiming()
    for (kind, count) in counts {
      let seconds = Double(count) * clock.median(kind)
      switch kind {
      case .compute(let size):
        let part = clock.productShare[size] ?? (0, 1)
        let products = part.products / max(part.products + part.rest, 1e-12)
        result.products += seconds * products
        result.passes += seconds * (1 - products)
      case .gather: result.gathering += seconds
      case .add, .meet: result.adding += seconds
      case .update: result.update += seconds
      }
    }
    return result
  }

  private func perform(_ kind: Kind, buffer: Int, _ clock: inout Clock) {
    if case .gather(let size) = kind { chooseSamples(size) }
    let begin = MonotonicTime.nanoseconds
    switch kind {
    case .gather(let size): gather(size)
    case .compute(let size): compute(size, buffers[buffer].base, &clock)
    case .add:
      let target = buffers[buffer == 0 ? buffers.count - 1 : 0].base
      FloatKernels.add(target, buffers[buffer].base, target, subject.objective.layout.gradientCount)
    case .meet:
      let own = buffers[0].base + share.owned.lowerBound
      FloatKernels.add(own, received.count > 0 ? received.base : own, own, share.owned.count)
    case .update: update()
    }
    clock.note(kind, nanoseconds: MonotonicTime.nanoseconds &- begin)
  }

  private func chooseSamples(_ size: Int) {
    for row in 0..<size { samples.base[row] = numbers.integer(below: subject.data.count) }
  }

  private var targets: TargetMemory {
    let target = subject.data.target
    return TargetMemory(
      labels: target.labelsPerSample > 0 ? labels.base : nil,
      values: target.valuesPerSample > 0 ? values.base : nil,
      weights: subject.data.isWeighted ? weights.base : nil)
  }

  private func gather(_ size: Int) {
    subject.data.fill(
      UnsafeBufferPointer(start: samples.base, count: size), epoch: 0, inputs: inputs.base, targets: targets)
  }

  private func compute(_ size: Int, _ gradients: UnsafeMutablePointer<Float>, _ clock: inout Clock) {
    guard let plan = plans[size] else { preconditionFailure("no plan for \(size) samples") }
    let riders = gradients + subject.objective.layout.riders.lowerBound
    var memory = Bindings(
      parameters: UnsafePointer(parameters.base), gradients: gradients, riders: riders,
      activations: activations.base)
    memory.inputs = UnsafePointer(inputs.base)
    memory.labels = UnsafePointer(labels.base)
    memory.targets = UnsafePointer(values.base)
    memory.weights = UnsafePointer(weights.base)
    memory.key = PassKey(seed: 1, step: 0, samples: UnsafePointer(samples.base))
    Executor<FloatKernels>.clear(plan, memory)
    var part = clock.productShare[size] ?? (0, 0)
    var last = MonotonicTime.nanoseconds
    for (index, instruction) in plan.instructions.enumerated() {
      // Here shards meet; what the others found is not needed for the time that a pass takes.
      if case .synchronize = instruction.operation { continue }
      Executor<FloatKernels>.execute(instruction, memory, plan, index)
      let now = MonotonicTime.nanoseconds
      if instruction.floatingPointOperations > 0 {
        part.products += Double(now &- last)
      } else {
        part.rest += Double(now &- last)
      }
      last = now
    }
    clock.productShare[size] = part
  }

  /// As `SynchronizedStep` does it, at a learning rate of 0: a rehearsal must not go astray.
  private func update() {
    let gradients = buffers[0].base + share.owned.lowerBound
    let scale = state.penalize(
      parameters: parameters.base, gradients: gradients, scale: 1 / Float(subject.batch))
    if subject.optimizer.clipNorm != nil {
      norm.measure(
        share.ownedBlocks, gradients: gradients, startingAt: share.owned.lowerBound, scale: scale)
    }
    state.prepare(parameters: parameters.base, gradients: gradients, scale: scale, step: 2)
    state.update(
      parameters: parameters.base, gradients: gradients, scale: scale, learningRate: 0, step: 2)
  }

  /// Nanoseconds of each kind of work.
  private struct Clock {
    private(set) var times: [Kind: [UInt64]] = [:]
    var productShare: [Int: (products: Double, rest: Double)] = [:]

    mutating func note(_ kind: Kind, nanoseconds: UInt64) {
      if times[kind, default: []].count < 4096 { times[kind, default: []].append(nanoseconds) }
    }

    func median(_ kind: Kind) -> Double {
      let sorted = times[kind, default: []].sorted()
      return sorted.isEmpty ? 0 : Double(sorted[sorted.count / 2]) * 1e-9
    }
  }
}
