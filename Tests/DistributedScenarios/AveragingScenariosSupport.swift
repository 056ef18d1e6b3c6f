import Averaging
import MessagePassing
import Optimizers
import TensorCore

// Gradients made up from the shard and the element, and their sums by other means than those under test.

/// Vectors around what the averaging treats differently: fewer blocks than ranks; parameters of one
/// element, of a block, of one more and of several, none a whole number of vectors.
let averagingLayouts: [(name: String, layout: VectorLayout)] = [
  ("one block", VectorLayout([("bias", [3])])),
  ("two blocks", VectorLayout([("bias", [1]), ("weight", [7, 11])])),
  (
    "many blocks",
    VectorLayout([
      ("output.bias", [1]), ("output.weight", [5, 1000]), ("hidden.bias", [2048]), ("gain", [17]),
      ("hidden.weight", [2049]), ("input.weight", [3, 5, 7]),
    ])
  ),
]

/// A full batch and the last one of an epoch, which leaves shards empty where there are more than three.
let alternatingBatches = [37, 3, 37, 3]

/// Numbers of shards: one a rank, fewer and more than ranks, powers of two and not.
func shardCounts(_ ranks: Int) -> [Int] { Set([ranks, 3, 5, 8, 12]).sorted() }

/// The ways of summing.
enum Strategy: CustomStringConvertible {
  case ordered(WireFormat)
  case shared(WireFormat)
  case allreduce(bucketBytes: Int)

  /// Those with the canonical tree's bits.
  static let owners: [Strategy] = WireFormat.allCases.flatMap { [.ordered($0), .shared($0)] }
  /// Besides these a bucket for each parameter, a few, and one for all.
  static let all: [Strategy] =
    owners + [4, 9000, 1 << 30].map { .allreduce(bucketBytes: $0) }
  /// Those that round nothing.
  static let exact: [Strategy] = all.filter { $0.wire == .float32 }

  var wire: WireFormat {
    switch self {
    case .ordered(let wire), .shared(let wire): wire
    case .allreduce: .float32
    }
  }

  func make(
    _ world: any Communicator, _ layout: VectorLayout, _ shards: Shards, batches: [Int]
  ) throws -> any GradientSum {
    switch self {
    case .ordered(let wire):
      // Slices of the longest layout travel in several parts, which end anywhere.
      try OwnerSum(
        world, layout: layout, shards: shards, batchSizes: batches, sharing: false, wire: wire,
        messageLength: 700, sendsEarly: true)
    case .shared(let wire):
      try OwnerSum(
        world, layout: layout, shards: shards, batchSizes: batches, sharing: true, wire: wire,
        messageLength: 1500)
    case .allreduce(let bytes):
      AllreduceSum(world, layout: layout, shards: shards, batchSizes: batches, bucketBytes: bytes)
    }
  }

  var hasOwners: Bool {
    if case .allreduce = self { false } else { true }
  }

  var description: String {
    switch self {
    case .ordered(let wire): "ordered, \(wire)"
    case .shared(let wire): "shared, \(wire)"
    case .allreduce(let bytes): "allreduce in buckets of \(bytes) bytes"
    }
  }
}

/// Stands in for the passes over the shards of one batch: values per shard and element instead of a model.
struct MadeUpShards {
  let layout: VectorLayout
  /// The samples of each shard.
  let sizes: [Int]
  /// The shards that this rank has to compute.
  let own: Range<Int>
  /// The gradient of a shard with so many samples.
  let gradient: (_ shard: Int, _ samples: Int, _ element: Int) -> Float

  init(
    _ world: any Communicator, _ layout: VectorLayout, _ shards: Shards, batch: Int,
    gradient: @escaping (_ shard: Int, _ samples: Int, _ element: Int) -> Float
  ) {
    self.layout = layout
    self.gradient = gradient
    sizes = shards.ranges(ofBatch: batch).map(\.count)
    own = shards.ranges(ofRanks: world.size)[world.rank]
  }

  static func loss(_ shard: Int) -> Int { 3 * shard * shard + 2 }
  static func correct(_ shard: Int, _ samples: Int) -> Int { samples / 2 + shard % 2 }

  /// As a plan does it: parameter by parameter, each checked; the prefix is told after every instruction,
  /// some of which complete nothing, and the riders are there only at the end.
  func compute(
    _ shard: Int, _ gradients: UnsafeMutablePointer<Float>, _ observer: (any CompletionObserver)?
  ) throws {
    try check(own.contains(shard), "shard \(shard) is computed by a rank whose shards are \(own)")
    try check(sizes[shard] > 0, "shard \(shard) is computed, which has no samples")
    let riders = gradients + layout.riders.lowerBound
    riders.update(repeating: 0, count: Rider.room)
    for entry in layout.entries {
      try observer?.isComplete(prefix: entry.offset)
      for element in entry.range { gradients[element] = gradient(shard, sizes[shard], element) }
      if !FloatKernels.isSummable(gradients + entry.offset, entry.shape.count) {
        riders[Rider.faults.rawValue] += 1
      }
      try observer?.isComplete(prefix: entry.offset + entry.shape.count.alignedToVector)
    }
    try observer?.isComplete(prefix: layout.count)
    riders[Rider.samples.rawValue] = Float(sizes[shard])
    riders[Rider.loss.rawValue] = Float(Self.loss(shard))
    riders[Rider.correct.rawValue] = Float(Self.correct(shard, sizes[shard]))
  }

  /// The shards of all ranks that have samples.
  var filled: [Int] { sizes.indices.filter { sizes[$0] > 0 } }

  /// Throws unless the riders are the sums over all shards.
  func checkRiders(_ sums: SummedRiders, _ what: String) throws {
    try check(sums[.samples], equals: Float(sizes.reduce(0, +)), "samples, \(what)")
    let loss = filled.reduce(0) { $0 + Self.loss($1) }
    try check(sums[.loss], equals: Float(loss), "loss, \(what)")
    let correct = filled.reduce(0) { $0 + Self.correct($1, sizes[$1]) }
    try check(sums[.correct], equals: Float(correct), "correct samples, \(what)")
    try check(sums[.faults], equals: 0, "faults, \(what)")
  }

  /// The sum over all shards by one rank alone, in the canonical tree's order; gaps are zero.
  func canonicalTotal(_ wire: WireFormat) -> [Float] {
    var total = [Float](repeating: 0, count: layout.count)
    for entry in layout.entries {
      for element in entry.range { total[element] = canonicalSum(0..<sizes.count, element, wire) ?? 0 }
    }
    return total
  }

  private func canonicalSum(_ shards: Range<Int>, _ element: Int, _ wire: WireFormat) -> Float? {
    if shards.count == 1 {
      let samples = sizes[shards.lowerBound]
      return samples == 0 ? nil : nearest(gradient(shards.lowerBound, samples, element), wire)
    }
    var leftCount = shards.count - 1
    while leftCount & (leftCount - 1) != 0 { leftCount &= leftCount - 1 }
    let left = canonicalSum(shards.prefix(leftCount), element, wire)
    let right = canonicalSum(shards.dropFirst(leftCount), element, wire)
    guard let left, let right else { return left ?? right }
    return shards.count == sizes.count ? left + right : nearest(left + right, wire)
  }
}

/// A number as it travels: the nearest of the two bfloat16 numbers that it lies between; of equally near ones that
/// with an even last bit.
func nearest(_ x: Float, _ wire: WireFormat) -> Float {
  guard wire == .bfloat16, x.isFinite else { return x }
  let inner = x.bitPattern & 0xFFFF_0000
  let outer = inner + 0x10000
  func value(_ bits: UInt32) -> Double {
    // What would come behind the largest number.
    if bits & 0x7FFF_FFFF == 0x7F80_0000 { return bits >> 31 == 0 ? 0x1p128 : -0x1p128 }
    return Double(Float(bitPattern: bits))
  }
  let (toInner, toOuter) = (abs(Double(x) - value(inner)), abs(Double(x) - value(outer)))
  if toInner == toOuter { return Float(bitPattern: inner & 0x10000 == 0 ? inner : outer) }
  return Float(bitPattern: toInner < toOuter ? inner : outer)
}

/// A value in ±1..<256, for each of the three another one, of very different magnitudes: sums of them
/// depend on the order. The sign belongs to the element, so that nothing cancels.
func unevenValue(_ step: Int, _ shard: Int, _ element: Int) -> Float {
  var bits = UInt64(truncatingIfNeeded: step * 1009 + shard) &* 0x9E37_79B9_7F4A_7C15
  bits ^= UInt64(truncatingIfNeeded: element) &* 0xBF58_476D_1CE4_E5B9
  bits ^= bits >> 31
  bits = bits &* 0x94D0_49BB_1331_11EB
  bits ^= bits >> 29
  let magnitude = (1 + Float(bits >> 40) * 0x1p-24) * Float(1 << (bits & 7))
  return element % 3 == 0 ? -magnitude : magnitude
}

/// Throws unless all ranks hold the same bits.
func checkEqualOnAllRanks(_ world: any Communicator, _ memory: Arena<Float>, _ what: String) throws {
  let all = try world.allgather(bytes: Array(UnsafeRawBufferPointer(memory.buffer)))
  for (rank, bytes) in all.enumerated() {
    try check(bytes == all[0], "\(what): rank \(rank) and rank 0 differ")
  }
}

/// Throws unless the values have the same bits.
func check(bits found: some Sequence<Float>, equal expected: some Sequence<Float>, _ what: String) throws {
  try check(
    each: found.map(\.bitPattern), equals: { [bits = expected.map(\.bitPattern)] in bits[$0] }, what)
}
