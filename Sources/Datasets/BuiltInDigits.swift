import TensorCore

/// Handwritten digits that the program draws itself: a data set for first steps and tests that needs no
/// files and no network.
///
/// The digits 0 to 9, 28 by 28 bytes, drawn as pen strokes that vary in shape, place, size, slant, angle,
/// thickness and shade. A linear model gets about 91 % of them right, two dense layers (784-128-10) 98.7 %
/// after five epochs over 20,000.
///
/// Sample i of a split depends on nothing but (seed, split, i), so a longer data set begins with the
/// shorter one. Each ten consecutive samples, from a multiple of ten, hold every digit once. All arithmetic
/// is of the kind that IEEE 754 rounds in one way: the bytes are the same on every machine.
public enum BuiltInDigits {
  /// Draws `count` samples of a split, on up to `threads` threads.
  ///
  /// Throws where `count` is 0. A thread that the system refuses is done without.
  public static func draw(
    split: Split, count: Int, seed: UInt64 = 1, threads: Int = 1,
    normalization: Normalization = .unit
  ) throws(DatasetError) -> ByteImages {
    let step: UInt64 = split == .train ? 0 : 1
    let size = DigitPen.side * DigitPen.side
    let labels = BuiltInLabels.draw(count: count, seed: seed, step: step)
    let pixels = [UInt8](unsafeUninitializedCapacity: count * size) { memory, filled in
      defer { filled = count * size }
      guard let base = memory.baseAddress else { return }
      let target = SharedMemory(base: base)
      Parallel.run(count: count, threads: threads, least: 256) { part in
        let pen = DigitPen()
        for sample in part {
          var stream = RandomStream(
            seed: seed, purpose: .builtInData, step: step, sample: UInt64(sample))
          pen.draw(Int(labels[sample]), by: &stream, into: target.base + sample * size)
        }
      }
    }
    return try ByteImages(
      pixels: pixels, labels: labels, inputShape: [1, DigitPen.side, DigitPen.side],
      classNames: (0..<10).map(String.init), normalization: normalization,
      place: "the built-in digits")
  }
}
