/// Seconds that one rank spends in a step, without what it waits for from others.
public struct StepTiming: Sendable, Equatable, Codable {
  /// Matrix products, convolutions, recurrent cells and attention.
  public var products = 0.0
  /// Everything else in the passes of its shards: what reads and writes each element once or so.
  public var passes = 0.0
  /// Adding shards, its own and those that meet in its slice.
  public var adding = 0.0
  /// Of its part of the parameters.
  public var update = 0.0
  /// Gathering its samples, on whatever thread.
  public var gathering = 0.0

  public init() {}

  /// All but the gathering.
  public var computing: Double { products + passes + adding + update }

  static func mean(_ timings: [StepTiming]) -> StepTiming {
    func mean(_ part: KeyPath<StepTiming, Double>) -> Double {
      timings.reduce(0) { $0 + $1[keyPath: part] } / Double(max(timings.count, 1))
    }
    var result = StepTiming()
    (result.products, result.passes) = (mean(\.products), mean(\.passes))
    (result.adding, result.update, result.gathering) = (mean(\.adding), mean(\.update), mean(\.gathering))
    return result
  }
}

extension StepTiming {
  func scaled(by factor: Double) -> StepTiming {
    var result = self
    result.products *= factor
    result.passes *= factor
    result.adding *= factor
    result.update *= factor
    result.gathering *= factor
    return result
  }

  /// What is to be expected where nothing can be tried: products at 0.7 of the best rate, everything else as fast as
  /// memory lets its elements pass.
  init(estimateOf subject: PlanSubject, _ rates: MachineSpeed.Rates) {
    self.init()
    let share = RankShare(subject, batch: subject.batch)
    let bytesPerSecond = rates.memoryGigabytesPerSecond * 1e9
    var (operations, elements) = (0, 0)
    for shard in share.run where share.sizes[shard] > 0 {
      guard let plan = try? subject.objective.trainingPlan(batch: share.sizes[shard]) else { continue }
      operations += plan.floatingPointOperations
      elements += plan.instructions.reduce(0) { $0 + ($1.floatingPointOperations > 0 ? 0 : $1.count) }
    }
    products = Double(operations) / (0.7 * rates.matrixGigaflops * 1e9)
    passes = 12 * Double(elements) / bytesPerSecond
    let layout = subject.objective.layout
    let ownSums = share.actions.count / 2 * layout.count
    let foreignSums = (share.allPartials - 1) * share.owned.count
    adding = 12 * Double(ownSums + foreignSums) / bytesPerSecond
    let vectors = 3 + 2 * subject.optimizer.rule.stateNames.count
    update = 4 * Double(vectors * share.owned.count) / bytesPerSecond
  }
}
