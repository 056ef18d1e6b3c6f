/// A fast 64-bit hash of much data, to notice that two copies differ by accident. It is not cryptographic:
/// data can be made that collide.
///
/// Four lanes each take every fourth 8-byte word: word times a constant, added, rotated, times another
/// constant. Each of these steps can be undone, so a change within a single word always changes its lane.
package struct ContentHash: Sendable {
  private var lanes: SIMD4<UInt64> = [
    0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
  ]
  private static let wordMultiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
  private static let laneMultiplier: UInt64 = 0xD134_2543_DE82_EF95

  package init() {}

  /// Adds bytes, and how many they are: the pieces of data belong to what is hashed.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let whole = bytes.count & ~31
    addBlocks(UnsafeRawBufferPointer(rebasing: bytes[..<whole]))
    end(UnsafeRawBufferPointer(rebasing: bytes[whole...]), count: bytes.count)
  }

  /// The same as for an array of floats, of which `fill` writes those from a number on.
  mutating func addFloats(_ count: Int, fill: (Int, UnsafeMutableBufferPointer<Float>) -> Void) {
    let piece = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1024)
    defer { piece.deallocate() }
    var first = 0
    while first < count {
      let part = UnsafeMutableBufferPointer(rebasing: piece[..<min(piece.count, count - first)])
      fill(first, part)
      first += part.count
      // Only the last piece ends within a block.
      let bytes = UnsafeRawBufferPointer(part)
      let whole = bytes.count & ~31
      addBlocks(UnsafeRawBufferPointer(rebasing: bytes[..<whole]))
      if first == count {
        end(UnsafeRawBufferPointer(rebasing: bytes[whole...]), count: count * MemoryLayout<Float>.stride)
      }
    }
    if count == 0 { end(UnsafeRawBufferPointer(start: nil, count: 0), count: 0) }
  }

  /// Adds blocks of 32 bytes.
  private mutating func addBlocks(_ bytes: UnsafeRawBufferPointer) {
    var (a, b, c, d) = (lanes[0], lanes[1], lanes[2], lanes[3])
    var offset = 0
    while offset + 32 <= bytes.count {
      a = Self.step(a, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      b = Self.step(b, bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      c = Self.step(c, bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
      d = Self.step(d, bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self))
      offset += 32
    }
    lanes = [a, b, c, d]
  }

  /// Adds what follows the last block, and the bytes of all.
  private mutating func end(_ bytes: UnsafeRawBufferPointer, count: Int) {
    var a = lanes[0]
    var offset = 0
    while offset < bytes.count {
      var word: UInt64 = 0
      for index in offset..<min(offset + 8, bytes.count) { word = word << 8 | UInt64(bytes[index]) }
      a = Self.step(a, word)
      offset += 8
    }
    lanes[0] = Self.step(a, UInt64(count))
  }

  package mutating func add(_ values: [UInt8]) { values.withUnsafeBytes { add($0) } }
  package mutating func add(_ values: [Int32]) { values.withUnsafeBytes { add($0) } }
  package mutating func add(_ values: [Int]) { values.withUnsafeBytes { add($0) } }

  /// Adds the numbers of two ranges, as if they were those of one array.
  package mutating func add(_ first: Range<Int>, _ second: Range<Int>) {
    let count = first.count + second.count
    let whole = count & ~3
    var place = 0
    for range in [first, second] {
      for value in range {
        let word = UInt64(bitPattern: Int64(value))
        // What is left behind the last four words is read byte by byte.
        let lane = place < whole ? place & 3 : 0
        lanes[lane] = Self.step(lanes[lane], place < whole ? word : word.byteSwapped)
        place += 1
      }
    }
    lanes[0] = Self.step(lanes[0], UInt64(count * MemoryLayout<Int>.stride))
  }

  package mutating func add(_ values: [Float]) { values.withUnsafeBytes { add($0) } }
  package mutating func add(_ text: String) { add(Array(text.utf8)) }

  /// The hash so far, as sixteen hexadecimal digits.
  package var text: String {
    var hash: UInt64 = 0
    for lane in lanes.indices { hash = Self.step(Self.step(hash, lanes[lane]), UInt64(lane)) }
    hash ^= hash >> 32
    let digits = String(hash &* Self.laneMultiplier, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func step(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let sum = lane &+ word &* wordMultiplier
    return (sum << 29 | sum >> 35) &* laneMultiplier
  }
}
