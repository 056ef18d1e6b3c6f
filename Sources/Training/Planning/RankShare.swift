import Averaging
import TensorCore

/// What the first rank, which never has less to do than another, does in a step.
struct RankShare {
  /// Its shards and their sums, in order.
  let actions: [LocalFold.Action]
  /// The samples of each shard of the step.
  let sizes: [Int]
  /// Its shards of the step.
  let run: Range<Int>
  /// Gradient vectors that it needs at a time.
  let bufferCount: Int
  /// The part of the parameter vector that it updates.
  let owned: Range<Int>
  let ownedBlocks: Range<Int>
  /// Sums of its own that it gives, and of all ranks that meet in its slice.
  let (partials, allPartials): (Int, Int)
  /// Elements that it receives from the others in each step before its update, and keeps room for.
  let receivedCount: Int

  init(_ subject: PlanSubject, batch: Int) {
    let layout = subject.objective.layout
    sizes = subject.shards.ranges(ofBatch: batch).map(\.count)
    let runs = subject.shards.ranges(ofRanks: subject.ranks)
    run = runs[0]
    if subject.averaging == .allreduce {
      let own = run.filter { [sizes] in sizes[$0] > 0 }
      actions = own.enumerated().flatMap { position, shard in
        position == 0
          ? [LocalFold.Action.compute(shard: shard, buffer: 0)]
          : [.compute(shard: shard, buffer: 1), .add(buffer: 1, into: 0)]
      }
      (bufferCount, partials, allPartials, receivedCount) = (run.count > 1 ? 2 : 1, 1, 1, 0)
      let whole = Slices(whole: layout)
      (owned, ownedBlocks) = (whole.elements[0], whole.blocks[0])
      return
    }
    let folds = runs.map { [sizes] in LocalFold(run: $0, shards: subject.shards.count, sizes: sizes) }
    let slices = Slices(layout, ranks: subject.ranks)
    (owned, ownedBlocks) = (slices.elements[0], slices.blocks[0])
    (actions, bufferCount, partials) = (folds[0].actions, folds[0].bufferCount, folds[0].partials.count)
    allPartials = folds.reduce(0) { $0 + $1.partials.count }
    let foreign = allPartials - partials
    // Packed as they travel, too.
    let packed = subject.wire == .float32 ? 0 : owned.count / 2
    receivedCount =
      subject.averaging == .ordered ? foreign * (owned.count + packed + layout.riders.count) : 0
  }
}
