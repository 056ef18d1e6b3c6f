import Datasets
import MessagePassing

/// The loader alone: how many samples it prepares in a second when nobody keeps it waiting.
///
/// Every rank has a loader, as in training; the one who asks for the samples does nothing with them.
package struct LoaderBenchmark: Sendable {
  package let name: String
  package let batchPerRank: Int
  private let data: @Sendable (_ count: Int) throws -> any Dataset

  /// Each kind of input that the benchmark models have, then images from bytes, augmented images, and windows that
  /// begin anywhere in a text.
  package static var all: [LoaderBenchmark] {
    var kinds: [LoaderBenchmark] = []
    for workload in Workload.all where !kinds.contains(where: { $0.name == workload.inputName }) {
      kinds.append(
        LoaderBenchmark(name: workload.inputName, batchPerRank: workload.batchPerRank) {
          try workload.noise(count: $0)
        })
    }
    return kinds + [
      LoaderBenchmark(name: "images 3×32×32 of bytes", batchPerRank: 64) {
        try BuiltInShapes.draw(split: .train, count: $0)
      },
      LoaderBenchmark(name: "images 3×32×32 of bytes, cropped, flipped", batchPerRank: 64) {
        try AugmentedDataset(
          BuiltInShapes.draw(split: .train, count: $0), [.crop(padding: 4), .horizontalFlip()], seed: 1)
      },
      LoaderBenchmark(name: "images 1×28×28 of bytes, turned, moved, scaled", batchPerRank: 64) {
        try AugmentedDataset(
          BuiltInDigits.draw(split: .train, count: $0),
          [.affine(rotation: 10, translation: 0.1, scale: 0.9...1.1)], seed: 1)
      },
      LoaderBenchmark(name: "windows of 64 tokens, anywhere", batchPerRank: 32) { count in
        let text = BuiltInText.write(characters: count + 64)
        return try TextWindows(text.bytes.map(Int32.init), vocabularySize: 256, context: 64)
      },
    ]
  }

  /// All ranks call it, and get the same: samples of all ranks together.
  package func measure(seconds: Double, over communicator: any Communicator) throws -> BenchmarkRecord {
    PeakMemory.restart()
    let batch = batchPerRank * communicator.size
    let own = batchPerRank * communicator.rank..<batchPerRank * (communicator.rank + 1)
    let data = try data(8 * batch)
    let loader = try Loader(
      data, sampler: try Sampler(seed: 1, count: data.count, batch: batch, lastBatch: .drop),
      steps: 1_000_000_000
    ) { _ in [own] }
    defer { loader.stop() }

    // Shards come in bursts, since the loader sleeps until half of its memory is free: so whole rounds of it are
    // timed. The first ones were filled before anybody asked.
    let round = 2 * loader.depth
    func take() { for _ in 0..<round { _ = loader.next() } }
    try communicator.barrier()
    take()
    let begin = MonotonicTime.seconds
    var (last, milliseconds) = (begin, [Double]())
    repeat {
      take()
      let now = MonotonicTime.seconds
      milliseconds.append((now - last) / Double(round) * 1e3)
      last = now
    } while last - begin < seconds
    let rate = Double(milliseconds.count * round * batchPerRank) / (last - begin)
    var record = BenchmarkRecord(
      workload: "loader", ranks: communicator.size, samplesPerSecond: try communicator.total(rate),
      stepMilliseconds: BenchmarkRecord.Spread(milliseconds),
      peakMemoryMiB: try communicator.largest(PeakMemory.mebibytes))
    record.input = name
    return record
  }
}

extension Workload {
  /// What the loader has to load for it.
  var inputName: String {
    switch input {
    case .numbers(let shape) where shape.count == 3: "images " + Self.product(shape)
    case .numbers(let shape): Self.product(shape) + " numbers"
    case .tokens(let context): "windows of \(context) tokens"
    }
  }

  private static func product(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "×") }
}
