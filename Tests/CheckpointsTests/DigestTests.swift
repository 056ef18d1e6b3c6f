import Testing

import Checkpoints

@Suite struct DigestTests {
  /// python3 -c "import xxhash; print(xxhash.xxh3_128_hexdigest(DATA))", xxhash 4.1.0, with DATA
  /// b'', b'abc' and bytes(i % 251 for i in range(100000)).
  static let known: [([UInt8], String)] = [
    ([], "99aa06d3014798d86001c324468d497f"),
    (Array("abc".utf8), "06b05ab6733a618578af5f94892f3950"),
    ((0..<100_000).map { UInt8($0 % 251) }, "54182c58bbb1337c42c23aeead96750d"),
  ]

  @Test func digestsAreThoseOfOtherXXH3Programs() {
    for (data, expected) in Self.known { #expect(Digest128(of: data).description == expected) }
  }

  @Test(arguments: [1, 7, 240, 241, 4096]) func piecesGiveTheDigestOfTheWhole(size: Int) {
    let (data, expected) = Self.known[2]
    var stream = DigestStream()
    data.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: bytes.count, by: size) {
        stream.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + size, bytes.count)]))
      }
    }
    #expect(stream.digest.description == expected)
  }

  @Test func textAndDigestGoBothWays() {
    let digest = Digest128(high: 0x0123, low: 0xfedc_ba98_7654_3210)
    #expect(digest.description == "0000000000000123fedcba9876543210")
    #expect(Digest128(hexadecimal: digest.description) == digest)
    for wrong in [
      "", "0000000000000123fedcba987654321", "0000000000000123FEDCBA9876543210",
      "00000000000000123fedcba9876543210", "+000000000000123fedcba9876543210",
    ] {
      #expect(Digest128(hexadecimal: wrong) == nil, "\(wrong)")
    }
  }

  @Test func aFileHasTheDigestOfItsBytes() throws {
    let data = (0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    try withTemporaryFolder { folder in
      try put(data, at: folder + "/data")
      #expect(try Digest128(ofFile: folder + "/data") == Digest128(of: data))
    }
  }

  @Test func tensorsHaveOneDigestInAnyOrder() {
    let samples = [Sample(random: "b", shape: [2, 3]), Sample(random: "a", shape: [4])]
    let first = withTensors(samples) { Digest128(ofTensors: $0) }
    #expect(first == withTensors(samples.reversed()) { Digest128(ofTensors: $0) })
  }

  @Test func nameTypeShapeDataAndTheBordersBetweenThemCount() {
    let zeros = [UInt8](repeating: 0, count: 8)
    let variants: [[Sample]] = [
      [Sample("a", .float32, shape: [2], data: zeros)],
      [Sample("b", .float32, shape: [2], data: zeros)],
      [Sample("a", .signed32, shape: [2], data: zeros)],
      [Sample("a", .float32, shape: [2, 1], data: zeros)],
      [Sample("a", .float32, shape: [1, 2], data: zeros)],
      [Sample("a", .float32, shape: [2], data: zeros.dropLast() + [1])],
      [Sample("a", .signed64, shape: [], data: zeros)],
      [
        Sample("a", .float32, shape: [1], data: Array(zeros[..<4])),
        Sample("b", .float32, shape: [1], data: Array(zeros[..<4])),
      ],
      [],
    ]
    let digests = variants.map { samples in withTensors(samples) { Digest128(ofTensors: $0) } }
    #expect(Set(digests).count == variants.count)
  }
}
