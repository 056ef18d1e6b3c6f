import MessagePassing

/// What one line of `lockstep bench --json` says. Keys that do not apply are left out, but for the first six, which
/// every line has.
package struct BenchmarkRecord: Sendable, Encodable {
  /// Median, first and ninth decile.
  package struct Spread: Sendable, Encodable {
    package let median: Double
    package let p10: Double
    package let p90: Double

    /// - Parameter values: at least one, in any order.
    package init(_ values: [Double]) {
      let sorted = values.sorted()
      median = sorted[sorted.count / 2]
      p10 = sorted[sorted.count / 10]
      p90 = sorted[sorted.count * 9 / 10]
    }
  }

  /// What the time of a step goes to.
  package struct Part: Sendable, Encodable {
    package let part: String
    /// Of the whole, 0...1; those of all parts add up to 1.
    package let share: Double
    /// Of a step.
    package let milliseconds: Double
    package let gigaflops: Double?
    /// Of operands and results, each counted once.
    package let gigabytesPerSecond: Double?
  }

  /// A benchmark model, `averaging` or `loader`.
  package let workload: String
  package let ranks: Int
  /// Over all ranks, at the median step. Averaging has one sample a rank.
  package let samplesPerSecond: Double
  package let stepMilliseconds: Spread
  /// Multiplications and additions, counted apart, of matrix products, convolutions, recurrent cells and attention,
  /// forward and backward, over all ranks, in 10⁹ a second at the median step. Nothing else counts.
  package var gigaflops = 0.0
  /// Of the rank that had the most resident, at its highest; memory that ranks share counts at each.
  package let peakMemoryMiB: Double

  /// Of each rank.
  package var threads: Int?
  /// `gigaflops` of what all ranks reach together in a large matrix product.
  package var fractionOfPeak: Double?
  /// The share of the time that steps waited for the loader, on the rank where it is largest.
  package var loaderShare: Double?
  package var profile: [Part]?

  /// How averaging was done, over how many parameters.
  package var strategy: String?
  package var parameters: Int?
  /// MPI_Allreduce and the same update on every rank, in the same run.
  package var allreduceMilliseconds: Spread?
  /// So many times as fast as that; of neighbouring measurements.
  package var ratio: Spread?

  /// What the loader loaded.
  package var input: String?

  package init(
    workload: String, ranks: Int, samplesPerSecond: Double, stepMilliseconds: Spread, peakMemoryMiB: Double
  ) {
    self.workload = workload
    self.ranks = ranks
    self.samplesPerSecond = samplesPerSecond
    self.stepMilliseconds = stepMilliseconds
    self.peakMemoryMiB = peakMemoryMiB
  }
}

/// What is measured, and how long.
package struct BenchmarkOptions: Sendable {
  /// For each model, or for a part of the work alone.
  package var seconds = 5.0
  /// Of each rank.
  package var threads = 1
  /// Whether the time of every instruction is noted.
  package var profiles = false
  /// Steps whose phases and instructions are kept for a trace.
  package var tracedSteps = 0

  package init() {}
}

extension Communicator {
  /// The largest of the ranks' numbers, on every rank.
  func largest(_ value: Double) throws(MessagePassingError) -> Double { try largest([value])[0] }

  /// Place by place.
  func largest(_ values: [Double]) throws(MessagePassingError) -> [Double] { try reduce(values, .maximum) }

  /// Over all ranks.
  func total(_ value: Double) throws(MessagePassingError) -> Double { try reduce([value], .sum)[0] }

  private func reduce(
    _ values: [Double], _ reduction: Reduction
  ) throws(MessagePassingError) -> [Double] {
    let memory = UnsafeMutableBufferPointer<Double>.allocate(capacity: values.count)
    defer { memory.deallocate() }
    _ = memory.initialize(from: values)
    try allreduce(memory, reduction)
    return Array(memory)
  }
}
