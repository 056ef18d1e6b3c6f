import MessagePassing
import TensorCore

/// Which ranks make a worker, and which shards of a batch it computes: neighbours both.
struct WorkerGroup {
  /// The ranks of each worker.
  let ranks: [Range<Int>]
  /// The shards of each worker.
  let shards: [Range<Int>]
  /// The number of the worker that this rank belongs to.
  let own: Int
  /// Its ranks, and all ranks.
  let inside: any Communicator
  let all: any Communicator

  /// All ranks call it.
  init(
    _ communicator: any Communicator, _ workers: LocalSteps.Workers, shards: Shards
  ) throws(MessagePassingError) {
    let (rank, size) = (communicator.rank, communicator.size)
    let groups = workers == .machines ? RankGroups(communicator.machines) : .apart(size)
    let runs = shards.ranges(ofRanks: size)
    ranks = groups.ranges
    self.shards = groups.ranges.map { runs[$0.lowerBound].lowerBound..<runs[$0.upperBound - 1].upperBound }
    own = groups.index(of: rank)
    all = communicator
    if ranks.count == 1 {
      inside = communicator
    } else if ranks.count == size {
      inside = InProcessCommunicator()
    } else {
      inside = try communicator.split(color: own)
    }
  }

  var isFirst: Bool { ranks[own].lowerBound == all.rank }

  /// The worker's part of a batch of so many samples. Its cut into the worker's shards is that of the whole into all.
  func samples(ofBatch batch: Int, _ shards: Shards) -> Int {
    shards.ranges(ofBatch: batch)[self.shards[own]].reduce(0) { $0 + $1.count }
  }

  /// Each rank's part of a vector that holds all workers' vectors, one behind the other.
  func slices(_ layout: VectorLayout) -> [Range<Int>] {
    ranks.enumerated().flatMap { worker, ranks in
      Slices(layout, ranks: ranks.count).elements.map {
        $0.lowerBound + worker * layout.count..<$0.upperBound + worker * layout.count
      }
    }
  }
}
