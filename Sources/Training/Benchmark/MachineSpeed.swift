import Foundation
import MessagePassing
import TensorCore

/// What a machine can do, measured: the ceilings that a training step's figures are read against.
///
/// Each figure is the best of a fraction of a second, since neighbours only ever slow a machine down.
public struct MachineSpeed: Codable, Sendable, Equatable {
  /// What one rank, or all ranks of a machine together, reach.
  public struct Rates: Codable, Sendable, Equatable {
    /// Of a large matrix product, in 10⁹ multiplications and additions a second.
    public var matrixGigaflops: Double
    /// Of adding two arrays into a third, far larger than the caches: 10⁹ bytes read and written a second.
    public var memoryGigabytesPerSecond: Double
    /// The same in arrays that fit into a core's own cache.
    public var cacheGigabytesPerSecond: Double

    public init(
      matrixGigaflops: Double, memoryGigabytesPerSecond: Double, cacheGigabytesPerSecond: Double
    ) {
      self.matrixGigaflops = matrixGigaflops
      self.memoryGigabytesPerSecond = memoryGigabytesPerSecond
      self.cacheGigabytesPerSecond = cacheGigabytesPerSecond
    }

    static func + (a: Rates, b: Rates) -> Rates {
      Rates(
        matrixGigaflops: a.matrixGigaflops + b.matrixGigaflops,
        memoryGigabytesPerSecond: a.memoryGigabytesPerSecond + b.memoryGigabytesPerSecond,
        cacheGigabytesPerSecond: a.cacheGigabytesPerSecond + b.cacheGigabytesPerSecond)
    }
  }

  /// One rank by itself, with the threads that it has.
  public var oneRank: Rates
  /// All ranks of this rank's machine at once, added up; equal to `oneRank` where it is the only one.
  public var allRanks: Rates
  /// Ranks on this rank's machine.
  public var ranks: Int

  public init(oneRank: Rates, allRanks: Rates, ranks: Int) {
    self.oneRank = oneRank
    self.allRanks = allRanks
    self.ranks = ranks
  }

  /// Measures one rank alone, in about 0.3 s.
  public static func measure() -> MachineSpeed {
    let rates = Probe().rates()
    return MachineSpeed(oneRank: rates, allRanks: rates, ranks: 1)
  }

  /// Measures the first rank of each machine alone and then all ranks at once, in about 0.6 s. All ranks call it;
  /// those of a machine get the same figures.
  public static func measure(over communicator: any Communicator) throws -> MachineSpeed {
    let machine = communicator.machine.ranks
    guard communicator.size > 1 else { return measure() }
    let probe = Probe()
    let isFirst = machine.first == communicator.rank
    let alone = isFirst ? probe.rates() : nil
    try communicator.barrier()
    let together = probe.rates()
    let all = try communicator.allgather(bytes: Array(JSONEncoder().encode([alone ?? together, together])))
      .map { try JSONDecoder().decode([Rates].self, from: Data($0)) }
    let here = machine.map { all[$0] }
    return MachineSpeed(
      oneRank: here[0][0], allRanks: here.dropFirst().reduce(here[0][1]) { $0 + $1[1] }, ranks: here.count)
  }
}

/// The memory that is measured in, allocated and touched before the clock runs.
private struct Probe {
  /// Together well above what a core finds in its caches, and small beside any machine's memory.
  private static let largeCount = 8 << 20
  /// Three arrays of 128 KiB: within the second-level cache of every processor of the last ten years.
  private static let smallCount = 32 << 10
  private static let order = 768
  private static let seconds = 0.09

  private let arrays = (0..<3).map { _ in Arena<Float>(count: largeCount) }

  func rates() -> MachineSpeed.Rates {
    let (a, b, y) = (arrays[0].base, arrays[1].base, arrays[2].base)
    let order = Self.order
    // Zeros would do for speed on most processors, but not where their power is saved by it.
    for index in 0..<order * order {
      a[index] = Float(index % 17) - 8
      b[index] = Float(index % 13) - 6
    }
    let form = MatrixForm(rows: order, columns: order, depth: order, transposeA: false, transposeB: false)
    let product = Self.fastest {
      FloatKernels.matrixProduct(
        form, a, b, bias: nil, activation: nil, y, scratch: y + order * order)
    }
    let small = Self.fastest {
      for _ in 0..<16 { FloatKernels.add(a, b, y, Self.smallCount) }
    }
    let large = Self.fastest { FloatKernels.add(a, b, y, Self.largeCount) }
    return MachineSpeed.Rates(
      matrixGigaflops: 2 * Double(order * order * order) / product,
      memoryGigabytesPerSecond: Double(12 * Self.largeCount) / large,
      cacheGigabytesPerSecond: Double(16 * 12 * Self.smallCount) / small)
  }

  /// Nanoseconds of the fastest of as many calls as fit into the time, behind one that is not counted.
  private static func fastest(_ body: () -> Void) -> Double {
    body()
    let end = MonotonicTime.nanoseconds &+ UInt64(seconds * 1e9)
    var (best, last) = (UInt64.max, MonotonicTime.nanoseconds)
    repeat {
      body()
      let now = MonotonicTime.nanoseconds
      best = min(best, now &- last)
      last = now
    } while last < end
    return Double(max(best, 1))
  }
}
