import TensorCore

/// Small colour images that the program draws itself: a data set for first steps with convolutions and for
/// tests that needs no files and no network.
///
/// One of ten kinds of shapes, told apart by outline or pattern, in 3 × 32 × 32 bytes. Place, size, angle,
/// proportions and all colours vary, so a single pixel says nothing: a linear model does hardly better than
/// chance (11 %), three small convolutions (12, 32 and 64 channels) get 94 % after 14 epochs over 10,000.
///
/// Sample i of a split depends on nothing but (seed, split, i), so a longer data set begins with the
/// shorter one. Each ten consecutive samples, from a multiple of ten, hold every shape once. All arithmetic
/// is of the kind that IEEE 754 rounds in one way: the bytes are the same on every machine.
public enum BuiltInShapes {
  /// The classes, in the order of their numbers.
  public static let classNames = [
    "disc", "ring", "square", "triangle", "cross", "bar", "striped disc", "checked square", "two dots",
    "crescent",
  ]

  /// Draws `count` samples of a split, on up to `threads` threads.
  ///
  /// Throws where `count` is 0. A thread that the system refuses is done without.
  public static func draw(
    split: Split, count: Int, seed: UInt64 = 1, threads: Int = 1,
    normalization: Normalization = .unit
  ) throws(DatasetError) -> ByteImages {
    // Steps 0 and 1 are the built-in digits'.
    let step: UInt64 = split == .train ? 2 : 3
    let labels = BuiltInLabels.draw(count: count, seed: seed, step: step)
    let pixels = [UInt8](unsafeUninitializedCapacity: count * ShapePen.size) { memory, filled in
      filled = count * ShapePen.size
      guard let base = memory.baseAddress else { return }
      let target = SharedMemory(base: base)
      Parallel.run(count: count, threads: threads, least: 256) { part in
        for sample in part {
          var stream = RandomStream(
            seed: seed, purpose: .builtInData, step: step, sample: UInt64(sample))
          let pen = ShapePen(&stream)
          pen.draw(Int(labels[sample]), by: &stream, into: target.base + sample * ShapePen.size)
        }
      }
    }
    return try ByteImages(
      pixels: pixels, labels: labels, inputShape: [3, ShapePen.side, ShapePen.side],
      classNames: classNames, normalization: normalization, place: "the built-in shapes")
  }
}
