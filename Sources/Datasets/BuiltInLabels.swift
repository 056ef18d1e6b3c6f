import TensorCore

/// The classes of samples that the program makes itself.
enum BuiltInLabels {
  /// Each ten consecutive samples are a permutation of ten classes, so that all are equally frequent.
  static func draw(count: Int, seed: UInt64, step: UInt64) -> [Int32] {
    var labels: [Int32] = []
    labels.reserveCapacity(count + 9)
    for ten in 0..<(count + 9) / 10 {
      var stream = RandomStream(
        seed: seed, purpose: .builtInData, step: step, sample: UInt64(ten), layer: 1)
      var classes = (0..<10).map(Int32.init)
      for index in stride(from: 9, to: 0, by: -1) {
        classes.swapAt(index, stream.integer(below: index + 1))
      }
      labels.append(contentsOf: classes)
    }
    return Array(labels.prefix(count))
  }
}
