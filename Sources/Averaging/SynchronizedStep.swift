import MessagePassing
import Optimizers
import TensorCore

/// One optimizer step of all ranks together: the gradients of every shard are summed, all agree that they
/// can be used, each owner updates its part, and everybody gets the new parameters.
package final class SynchronizedStep {
  package let optimizer: Optimizer
  package let state: OptimizerState
  package let sum: any GradientSum
  package var parameters: Arena<Float> { sum.parameters }
  /// What the schedule starts from: the optimizer's, unless something has changed it since.
  package var learningRate: Double

  private let communicator: any Communicator
  private let layout: VectorLayout
  private let norm: GradientNorm
  /// What of this rank cannot be used first, in the step under way: a parameter's gradient, or the loss.
  private var fault: (shard: Int, place: String)?
  /// What this rank says instead, where it knows better.
  var foreseenFault: String?
  /// What messages call this rank, and the first shard of these ranks.
  private let rankInJob: Int
  private let firstShard: Int

  package init(
    _ communicator: any Communicator, layout: VectorLayout, optimizer: Optimizer, sum: any GradientSum,
    rankInJob: Int? = nil, firstShard: Int = 0
  ) {
    precondition(sum.parameters.count == layout.vectorCount)
    self.communicator = communicator
    self.layout = layout
    self.optimizer = optimizer
    self.sum = sum
    self.rankInJob = rankInJob ?? communicator.rankInJob
    self.firstShard = firstShard
    learningRate = optimizer.learningRate
    state = OptimizerState(
      optimizer, layout: layout, range: sum.owned, keepsMaster: sum.wire != .float32)
    norm = GradientNorm(layout, optimizer: optimizer)
  }

  /// The whole parameter vector for the updates, which look at the owned part only: there it is not rounded.
  private var weights: UnsafeMutablePointer<Float> {
    state.master.map { $0.base - sum.owned.lowerBound } ?? parameters.base
  }

  /// What is saved besides the parameters, with each rank's part.
  package var stateVectors: [StateVector] {
    zip(state.names, state.vectors).map { StateVector(name: $0, slices: sum.slices.elements, own: $1) }
  }

  /// After initial values have been filled in: where parameters are rounded, rounds them on all ranks.
  package func adoptInitialValues() throws(MessagePassingError) {
    guard let master = state.master else { return }
    master.base.update(from: parameters.base + sum.owned.lowerBound, count: sum.owned.count)
    try show(master)
  }

  /// Lets all ranks have a vector of the owned part, rounded, as parameters.
  private func show(_ own: Arena<Float>) throws(MessagePassingError) {
    try sum.settle()
    sum.wire.round(own.base, parameters.base + sum.owned.lowerBound, own.count)
    try sum.share()
  }

  /// What all ranks learn from a step.
  package struct Outcome {
    /// The sum of the samples' losses.
    package let loss: Float
    package let correct: Int
    package let samples: Int
    /// Whether some rank was asked to stop. A rank that has no samples in this step is heard in the next
    /// one in which it has some; rank 0 always has.
    package let shouldStop: Bool
    /// Where numbers were that cannot be used; nothing has changed then, and the sums say nothing. nil for a step
    /// like any other.
    package let fault: String?
    /// Whether rank 0 wants the state saved after this step.
    package let shouldSave: Bool

    /// Of a step in which all ranks took no part together.
    package static let local = Outcome(
      loss: 0, correct: 0, samples: 0, shouldStop: false, fault: nil, shouldSave: false)
  }

  /// - Parameters:
  ///   - step: counted from 0.
  ///   - batch: the samples of the batch, over all ranks.
  ///   - stopRequested: whether this rank was asked to stop after this step.
  ///   - saveRequested: on rank 0, whether all are to save after this step.
  ///   - skipsFaults: whether gradients that cannot be used are passed over, all ranks alike; else all throw.
  ///   - phase: told whenever one begins.
  ///   - compute: computes one of this rank's shards.
  package func run(
    step: Int, batch: Int, stopRequested: Bool, saveRequested: Bool = false, skipsFaults: Bool = false,
    phase: (StepPhase) -> Void,
    compute: ShardComputation
  ) throws -> Outcome {
    fault = nil
    phase(.compute)
    let sums = try sum.sum(batch: batch, phase: phase) { shard, gradients, observer in
      try compute(shard, gradients, observer)
      let riders = gradients + layout.riders.lowerBound
      if stopRequested { riders[Rider.stop.rawValue] = 1 }
      if saveRequested { riders[Rider.save.rawValue] = 1 }
      // A loss can be infinite though its gradients are not.
      if !riders[Rider.loss.rawValue].isFinite { riders[Rider.faults.rawValue] += 1 }
      if riders[Rider.faults.rawValue] > 0 { noteFault(shard, gradients, observer?.handedOn ?? 0) }
    }
    if sums[.faults] > 0 || !sums[.loss].isFinite {
      let found = try agreedFault()
      guard skipsFaults else { throw Self.error(step: step, found: found) }
      let (shouldStop, shouldSave) = (sums[.stop] > 0, sums[.save] > 0)
      phase(.communication)
      // Others may still be reading what this rank gave.
      try sum.settle()
      return Outcome(
        loss: 0, correct: 0, samples: 0, shouldStop: shouldStop, fault: found, shouldSave: shouldSave)
    }
    let samples = Int(sums[.samples])
    precondition(samples == batch, "\(samples) samples were averaged in a batch of \(batch)")

    try update(scale: 1 / Float(batch), step: step, phase: phase)
    if sum.writesForAll { follow(sums) }
    phase(.communication)
    let outcome = Outcome(
      loss: sums[.loss], correct: Int(sums[.correct]), samples: samples, shouldStop: sums[.stop] > 0,
      fault: nil, shouldSave: sums[.save] > 0)
    try sum.share()
    return outcome
  }

  /// Updates this rank's part by its summed gradients: piece by piece, each while it is in cache, where nobody has to
  /// know about the others' parts first.
  private func update(
    scale: Float, step: Int, phase: (StepPhase) -> Void
  ) throws(MessagePassingError) {
    let rate = optimizer.schedule.learningRate(base: learningRate, step: step)
    let momentum = optimizer.schedule.momentum(step: step)
    if optimizer.clipNorm != nil || state.norms != nil {
      return try updateByNorms(scale: scale, learningRate: rate, momentum: momentum, step: step, phase: phase)
    }
    var start = sum.owned.lowerBound
    while start < sum.owned.upperBound {
      let piece = start..<min(start + type(of: sum).pieceLength, sum.owned.upperBound)
      let gradients = sum.gradients(of: piece, leavesRest: state.addsRest)
      let scale = state.penalize(piece, parameters: weights, gradients: gradients.sum, scale: scale)
      state.update(
        piece, parameters: weights, gradients: gradients.sum, rest: gradients.rest, scale: scale,
        learningRate: rate, step: step + 1, momentum: momentum)
      publish(piece)
      start = piece.upperBound
    }
  }

  /// The same with clipping, LARS and LAMB, where the owners exchange norms before they update.
  private func updateByNorms(
    scale: Float, learningRate: Double, momentum: Double?, step: Int, phase: (StepPhase) -> Void
  ) throws(MessagePassingError) {
    let gradients = sum.ownedGradients()
    let weights = weights
    var scale = state.penalize(parameters: weights, gradients: gradients, scale: scale)
    if let limit = optimizer.clipNorm {
      norm.measure(sum.ownedBlocks, gradients: gradients, startingAt: sum.owned.lowerBound, scale: scale)
      try exchange(norm.sums, phase: phase)
      scale *= norm.clipFactor(limit: limit)
    }
    if let norms = state.norms {
      state.prepare(
        parameters: parameters.base, weights: weights, gradients: gradients, scale: scale, step: step + 1,
        momentum: momentum)
      try exchange(norms.blockSums, phase: phase)
    }
    state.update(
      parameters: weights, gradients: gradients, scale: scale, learningRate: learningRate,
      step: step + 1, momentum: momentum)
    publish(sum.owned)
  }

  /// Some updated weights become parameters, rounded where these are.
  private func publish(_ elements: Range<Int>) {
    guard state.master != nil else { return }
    sum.wire.round(weights + elements.lowerBound, parameters.base + elements.lowerBound, elements.count)
  }

  private func exchange(
    _ blockSums: Arena<Double>, phase: (StepPhase) -> Void
  ) throws(MessagePassingError) {
    phase(.communication)
    try sum.share(blockSums: blockSums)
    phase(.compute)
  }

  /// Does something with the exponential moving average of the parameters in their place, on all ranks. As
  /// it is without an average, or before the first step.
  package func withAverage<Result>(afterStep step: Int, _ body: () throws -> Result) throws -> Result {
    guard let average = state.average, step > 0 else { return try body() }
    if let master = state.master {
      try show(average)
      let result = Swift.Result { try body() }
      try show(master)
      return try result.get()
    }
    func swap() throws {
      try sum.settle()
      state.swapAverage(with: parameters.base)
      try sum.share()
    }
    try swap()
    let result = Swift.Result { try body() }
    try swap()
    return try result.get()
  }

  /// The buffers follow the shards' statistics. Every rank has their sums; one for each copy of the buffers does it.
  private func follow(_ sums: SummedRiders) {
    let share = 1 / sums[.shards]
    for buffer in layout.buffers where buffer.momentum != 0 {
      let momentum = Float(buffer.momentum)
      let statistic = layout.statistic(of: buffer)
      for (index, place) in zip(statistic, buffer.entry.range) {
        let old = parameters.base[place]
        parameters.base[place] = old + momentum * (sums.values[index] * share - old)
      }
    }
  }

  /// - Parameter start: the first element that is looked at.
  private func noteFault(_ shard: Int, _ gradients: UnsafeMutablePointer<Float>, _ start: Int) {
    guard fault == nil else { return }
    let entry = layout.entries.first {
      $0.offset >= start && !FloatKernels.isSummable(gradients + $0.offset, $0.shape.count)
    }
    fault = (shard, entry?.name ?? "the loss")
  }

  /// Every rank tells the others what it found, so that all say the same.
  private func agreedFault() throws(MessagePassingError) -> String {
    let found = fault.map {
      "\($0.place) (rank \(rankInJob), shard \(firstShard + $0.shard))"
    }
    let mine = foreseenFault ?? found ?? ""
    let all = try communicator.allgather(bytes: Array(mine.utf8))
      .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
    return all.isEmpty ? "the sum of all losses" : all.joined(separator: ", ")
  }

  private static func error(step: Int, found: String) -> AveragingError {
    AveragingError(
      at: "step \(step + 1)", expected: "finite gradients and a finite loss",
      found: "infinite numbers or NaN: \(found)",
      remedy:
        "The weights are as before this step. Lower the learning rate, warm it up, or set optimizer.clipNorm; "
        + "check the data for extreme values; or pass over such steps: --set nonFinite=skip.")
  }
}
