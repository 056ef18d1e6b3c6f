// What the kernel tests share: random values, results with guarded ends, and how far a result is off.

import TensorCore
import Testing

/// Random values for tests, the same in every run.
struct Draw {
  private var stream: RandomStream

  init(_ seed: UInt64) { stream = RandomStream(seed: seed, purpose: .test) }

  mutating func values(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in stream.normal() * scale }
  }

  mutating func labels(_ count: Int, classes: Int) -> [Int32] {
    (0..<count).map { _ in Int32(stream.integer(below: classes)) }
  }
}

/// What a kernel writes into room for `count` values. The room begins as NaN, and what lies before and behind
/// it must stay as it was.
func result<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
  _ count: Int, _ body: (UnsafeMutablePointer<Scalar>) -> Void
) -> [Scalar] {
  var room = [Scalar](repeating: .nan, count: count)
  room.insert(contentsOf: [Scalar](repeating: 77, count: 17), at: 0)
  room.append(contentsOf: [Scalar](repeating: 77, count: 17))
  room.withUnsafeMutableBufferPointer { buffer in
    if let base = buffer.baseAddress { body(base + 17) }
  }
  #expect(room.prefix(17).allSatisfy { $0 == 77 } && room.suffix(17).allSatisfy { $0 == 77 })
  return Array(room.dropFirst(17).dropLast(17))
}

/// As `result`, for kernels that change what is there.
func changed<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
  _ old: [Scalar], _ body: (UnsafeMutablePointer<Scalar>) -> Void
) -> [Scalar] {
  result(old.count) { y in
    for index in old.indices { y[index] = old[index] }
    body(y)
  }
}

/// The largest |value − exact| / (|exact| + floor): a NaN counts as infinitely far.
func relativeError(_ values: [Float], _ exact: [Double], floor: Double = 1e-37) -> Double {
  zip(values, exact).reduce(0) { worst, pair in
    let distance = abs(Double(pair.0) - pair.1) / (abs(pair.1) + floor)
    return distance.isNaN ? .infinity : max(worst, distance)
  }
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

extension [Float] {
  var doubles: [Double] { map(Double.init) }
}

/// Half the distance between 1 and the next number: how far one rounding moves a result, relative.
let rounding = Double(Float.ulpOfOne) / 2

/// Counts around the edges of vectors, and some that fit none.
let edgeCounts = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 257]
let edgeMatrices = [
  (1, 1), (1, 16), (16, 1), (3, 15), (2, 17), (5, 31), (7, 33), (4, 100), (33, 10), (100, 3), (17, 64),
]
