/// Changed copies of a file, the same ones every time: what a disk, a transfer or a forger does to it.
struct Mutations {
  private let original: [UInt8]
  private var random: SplitMix64

  init(of original: [UInt8], name: String) {
    self.original = original
    let key = name.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    random = SplitMix64(state: key)
  }

  /// The next copy, with one to three changes.
  mutating func next() -> [UInt8] {
    var bytes = original
    for _ in 0...random.below(3) { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return bytes.append(UInt8(random.below(256))) }
    // Headers are where most can go wrong.
    let reach = random.below(2) == 0 ? min(bytes.count, 64) : bytes.count
    let place = random.below(reach)
    switch random.below(8) {
    case 0: bytes[place] ^= 1 << UInt8(random.below(8))
    case 1: bytes[place] = UInt8(random.below(256))
    case 2: bytes.removeSubrange(place...)
    case 3: bytes.insert(contentsOf: block(bytes), at: place)
    case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(16)))
    case 5: overwrite(&bytes, at: place, extremeInteger())
    case 6: overwriteDigits(&bytes, from: place)
    default:
      bytes.insert(contentsOf: [UInt8](repeating: bytes[place], count: 1 << random.below(12)), at: place)
    }
  }

  /// A part of the file, to be there twice.
  private mutating func block(_ bytes: [UInt8]) -> [UInt8] {
    let start = random.below(bytes.count)
    return Array(bytes[start..<min(bytes.count, start + 1 + random.below(64))])
  }

  /// A number at the edge of what 1, 2, 4 or 8 bytes can say, in either order.
  private mutating func extremeInteger() -> [UInt8] {
    let size = 1 << random.below(4)
    let edges: [UInt64] = [
      0, 1, .max, .max >> 1, .max >> 1 + 1, .max >> 33, 1 << 31, 1 << 32, 0x7FFF, 0x8000,
    ]
    let edge = edges[random.below(edges.count)] &+ UInt64(random.below(3)) &- 1
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: edge >> (8 * UInt64($0))) }
    return random.below(2) == 0 ? bytes : bytes.reversed()
  }

  private func overwrite(_ bytes: inout [UInt8], at place: Int, _ new: [UInt8]) {
    for (offset, byte) in new.enumerated() where place + offset < bytes.count { bytes[place + offset] = byte }
  }

  /// Another number in the place of the next one that is written in digits.
  private mutating func overwriteDigits(_ bytes: inout [UInt8], from place: Int) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let start = bytes[place...].firstIndex(where: digits.contains) else { return }
    let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
    let texts = [
      "-1", "0", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1e999",
      "-1e-999", "NaN", "Infinity", "0x10", "1.5", "00", "999999999999999999999999999999",
    ]
    bytes.replaceSubrange(start..<end, with: texts[random.below(texts.count)].utf8)
  }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
private struct SplitMix64 {
  var state: UInt64

  mutating func below(_ count: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ mixed >> 31) % UInt64(count))
  }
}
