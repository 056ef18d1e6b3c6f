// That the gradient of a loss through statistics over several shards is right: in float64, by central differences of
// the whole batch's loss, and against one shard with all samples.

import Autodiff
import Averaging
import Layers
import TensorCore
import Testing

private typealias Doubles = ReferenceKernels<Double>

/// A batch in shards of these sizes, each with memory of its own.
private final class Batch {
  let layout: VectorLayout
  let parameters: Arena<Double>
  private let statistics: ShardStatistics
  private var shards: [(plan: Plan, memory: Bindings<Double>)] = []
  private let arenas: [Arena<Double>]
  private static let features = 4
  private static let outputs = 3

  init(sizes: [Int], isSynchronized: Bool) throws {
    let model = Sequential(
      [
        .dense(5), .batchNormalization, .activation(.relu), .dense(4), .batchNormalization,
        .activation(.tanh),
        .batchNormalization, .dense(Self.outputs),
      ], synchronizesBatchNormalization: isSynchronized)
    let objective = try Objective(
      model, loss: .meanSquaredError, inputShape: [Self.features], target: .values(Self.outputs))
    layout = objective.layout
    parameters = Arena(count: layout.vectorCount)
    statistics = ShardStatistics(samples: sizes)
    var arenas: [Arena<Double>] = []
    func arena(_ count: Int) -> Arena<Double> {
      arenas.append(Arena(count: count))
      arenas[arenas.count - 1].base.update(repeating: .nan, count: count)
      return arenas[arenas.count - 1]
    }
    var first = 0
    for size in sizes where size > 0 {
      let plan = try objective.trainingPlan(batch: size)
      let gradients = arena(layout.gradientCount)
      var memory = Bindings(
        parameters: UnsafePointer(parameters.base), gradients: gradients.base,
        riders: gradients.base + layout.riders.lowerBound, activations: arena(plan.activationCount).base)
      let (inputs, targets) = (arena(size * Self.features), arena(size * Self.outputs))
      Self.fill(inputs, "inputs", first * Self.features)
      Self.fill(targets, "targets", first * Self.outputs)
      (memory.inputs, memory.targets) = (UnsafePointer(inputs.base), UnsafePointer(targets.base))
      shards.append((plan, memory))
      first += size
    }
    self.arenas = arenas
    for entry in layout.entries { Self.fill(parameters, entry.name, 0, entry.range) }
  }

  /// Numbers that depend on the name and the position in the whole batch.
  static func fill(_ arena: Arena<Double>, _ name: String, _ first: Int, _ range: Range<Int>? = nil) {
    let layer = name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }
    var stream = RandomStream(seed: 9, purpose: .test, layer: layer)
    for _ in 0..<first { _ = stream.normal() }
    for index in range ?? 0..<arena.count { arena.base[index] = Double(stream.normal()) }
  }

  func run() {
    let meetings = shards[0].plan.synchronizations
    for segment in 0...meetings.count {
      for shard in shards { Executor<Doubles>.run(shard.plan, shard.memory, segment: segment) }
      guard segment < meetings.count else { return }
      meet(meetings[segment].form, segment)
    }
  }

  private func meet(_ form: SynchronizationForm, _ segment: Int) {
    let all = Arena<Double>(count: statistics.samples.count * form.ownCount)
    let filled = statistics.samples.indices.filter { statistics.samples[$0] > 0 }
    let places = shards.map { Executor<Doubles>.meeting($0.plan, $0.memory, after: segment) }
    for (place, shard) in zip(places, filled) {
      (all.base + shard * form.ownCount).update(from: place.own, count: form.ownCount)
    }
    let (channels, values) = (form.channels, form.valuesPerSample)
    let count = Double(statistics.batch * values)
    switch form.kind {
    case .statistics:
      let whole = statistics.combineStatistics(all.base, channels: channels, valuesPerSample: values)
      for place in places {
        place.whole.update(from: whole, count: 2 * channels)
        for channel in 0..<channels {
          place.whole[2 * channels + channel] = whole[channels + channel] * count / (count - 1)
        }
      }
    case .sums:
      let whole = statistics.add(all.base, length: form.ownCount)
      for (place, shard) in zip(places, filled) {
        let share = Double(statistics.samples[shard]) / Double(statistics.batch)
        for index in 0..<form.ownCount { place.whole[index] = whole[index] * share }
      }
    }
  }

  func rider(_ rider: Rider) -> Double { shards.reduce(0) { $0 + $1.memory.riders[rider.rawValue] } }

  func gradient(_ range: Range<Int>) -> [Double] {
    range.map { index in shards.reduce(0) { $0 + $1.memory.gradients[index] } }
  }

  /// What the buffers are to follow: the mean over the shards.
  var followed: [Double] {
    layout.buffers.flatMap { layout.statistic(of: $0) }.map { index in
      shards.reduce(0) { $0 + $1.memory.riders[index] } / rider(.shards)
    }
  }
}

@Suite struct SynchronizedGradientTests {
  private static let cuts: [[Int]] = [[3, 2, 2], [1, 1, 1, 1, 1, 0, 0, 0], [4, 0], [5, 1, 0, 3]]

  @Test(arguments: cuts) func everyParametersGradientIsTheSlopeOfTheWholeBatchsLoss(_ sizes: [Int]) throws {
    let batch = try Batch(sizes: sizes, isSynchronized: true)
    batch.run()
    #expect(batch.rider(.faults) == 0)
    let gradients = batch.layout.entries.map { batch.gradient($0.range) }
    for (entry, gradient) in zip(batch.layout.entries, gradients) {
      let direction = Arena<Double>(count: entry.shape.count)
      Batch.fill(direction, "direction of \(entry.name)", 0)
      func loss(_ step: Double) -> Double {
        let place = batch.parameters.base + entry.offset
        for index in 0..<direction.count { place[index] += step * direction.base[index] }
        batch.run()
        for index in 0..<direction.count { place[index] -= step * direction.base[index] }
        return batch.rider(.loss)
      }
      let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
      let expected = zip(gradient, direction.buffer).reduce(0) { $0 + $1.0 * $1.1 }
      // A bias in front of a normalization has no effect.
      #expect(abs(slope - expected) < 1e-7 * (1 + abs(slope)), "\(entry.name): \(slope), \(expected)")
      if entry.name.hasSuffix("weight") { #expect(abs(slope) > 1e-4, "\(entry.name) has no effect") }
    }
  }

  @Test(arguments: cuts) func shardsTogetherAreOneShardWithAllSamples(_ sizes: [Int]) throws {
    let whole = try Batch(sizes: [sizes.reduce(0, +)], isSynchronized: false)
    whole.run()
    let batch = try Batch(sizes: sizes, isSynchronized: true)
    batch.run()
    #expect(batch.layout == whole.layout)
    func expectNear(_ found: [Double], _ expected: [Double], _ what: String) {
      let isNear = zip(found, expected).allSatisfy { abs($0 - $1) < 1e-11 * (1 + abs($1)) }
      #expect(isNear && found.count == expected.count, "\(what)")
    }
    expectNear([batch.rider(.loss)], [whole.rider(.loss)], "loss")
    for entry in whole.layout.entries {
      expectNear(batch.gradient(entry.range), whole.gradient(entry.range), entry.name)
    }
    #expect(whole.followed.count == 26)
    expectNear(batch.followed, whole.followed, "running statistics")
  }

  /// Else the tests above would say nothing.
  @Test func shardsThatDoNotMeetGiveAnotherLoss() throws {
    let losses = try [[7], [3, 4]].map { sizes in
      let batch = try Batch(sizes: sizes, isSynchronized: false)
      batch.run()
      return batch.rider(.loss)
    }
    #expect(abs(losses[0] - losses[1]) > 1e-3)
  }
}
