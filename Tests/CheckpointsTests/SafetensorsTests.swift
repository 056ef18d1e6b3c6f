import Foundation
import Testing

import Checkpoints

@Suite struct SafetensorsTests {
  /// Written by the format's own library (safetensors 0.8.0, numpy 2.4.6):
  ///
  ///     from safetensors.numpy import save
  ///     tensors = {
  ///       "hidden.weight": np.array([[0.5, -1.25, 3.0], [1e-3, -0.0, 7.75]], dtype=np.float32),
  ///       "hidden.bias": np.array([1.0, -2.0], dtype=np.float32),
  ///       "norm.num_batches_tracked": np.array(123456789012, dtype=np.int64),
  ///       "half": np.array([1.5, -0.333, 65504.0, 6e-8], dtype=np.float16),
  ///       "mask": np.array([True, False, True], dtype=np.bool_),
  ///       "empty": np.zeros((0, 4), dtype=np.float32),
  ///     }
  ///     base64.encodebytes(save(tensors, metadata={"näme": "a\"b\\c\nd"}))
  static let fixture = """
    qAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJuw6RtZSI6ImFcImJcXGNcbmQifSwibm9ybS5udW1f
    YmF0Y2hlc190cmFja2VkIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMi
    OlswLDhdfSwiZW1wdHkiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsNF0sImRhdGFfb2Zmc2V0
    cyI6WzgsOF19LCJoaWRkZW4uYmlhcyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMl0sImRhdGFf
    b2Zmc2V0cyI6WzgsMTZdfSwiaGlkZGVuLndlaWdodCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpb
    MiwzXSwiZGF0YV9vZmZzZXRzIjpbMTYsNDBdfSwiaGFsZiI6eyJkdHlwZSI6IkYxNiIsInNoYXBl
    IjpbNF0sImRhdGFfb2Zmc2V0cyI6WzQwLDQ4XX0sIm1hc2siOnsiZHR5cGUiOiJCT09MIiwic2hh
    cGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbNDgsNTFdfX0gFBqZvhwAAAAAAIA/AAAAwAAAAD8AAKC/
    AABAQG8SgzoAAACAAAD4QAA+VLX/ewEAAQAB
    """

  static let fixtureBytes: [UInt8] = Array(
    Data(base64Encoded: fixture, options: .ignoreUnknownCharacters) ?? Data())

  @Test func aFileOfTheFormatsOwnLibraryIsReadExactly() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try put(Self.fixtureBytes, at: path)
      let file = try SafetensorsFile(path)
      #expect(file.metadata == ["näme": "a\"b\\c\nd"])
      #expect(
        file.tensors.map(\.name) == [
          "norm.num_batches_tracked", "empty", "hidden.bias", "hidden.weight", "half", "mask",
        ])
      #expect(file["hidden.weight"] == Safetensors.Description("hidden.weight", shape: [2, 3]))
      #expect(file["half"]?.elementType == .float16)
      #expect(file["mask"]?.elementType == .bool)
      #expect(file["empty"]?.shape == [0, 4])
      #expect(file["other"] == nil)
      let weight = try file.floats("hidden.weight")
      #expect(weight.map(\.bitPattern) == [0.5, -1.25, 3, 1e-3, -0.0, 7.75].map { Float($0).bitPattern })
      #expect(try file.floats("hidden.bias") == [1, -2])
      // What numpy prints for these halves as float32.
      #expect(try file.floats("half") == [1.5, -0.33300781, 65504, 5.9604645e-08])
      #expect(try file.floats("empty") == [])
      #expect(try file.integer("norm.num_batches_tracked") == 123_456_789_012)
    }
  }

  @Test func whatIsWrittenIsByteForByteWhatTheFormatsOwnLibraryWrites() throws {
    let data = Self.fixtureBytes
    func part(_ start: Int, _ end: Int) -> [UInt8] { Array(data[432 + start..<432 + end]) }
    let samples = [
      Sample("mask", .bool, shape: [3], data: part(48, 51)),
      Sample("half", .float16, shape: [4], data: part(40, 48)),
      Sample("hidden.weight", shape: [2, 3], floats: [0.5, -1.25, 3, 1e-3, -0.0, 7.75]),
      Sample("hidden.bias", shape: [2], floats: [1, -2]),
      Sample("empty", shape: [0, 4], floats: []),
      Sample("norm.num_batches_tracked", .signed64, shape: [], data: part(0, 8)),
    ]
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try withTensors(samples) {
        try Safetensors.write($0, metadata: ["näme": "a\"b\\c\nd"], to: path)
      }
      #expect(try bytes(at: path) == data)
      #expect(try names(in: folder) == ["model.safetensors"])
    }
  }

  @Test func everyTypeAndShapeComesBack() throws {
    let shapes = [[], [1], [0], [3, 0, 2], [2, 3], [1, 1, 1, 1, 5]]
    let samples = Safetensors.ElementType.allCases.flatMap { type in
      shapes.map { Sample(random: "\(type.rawValue) \"\($0)\" é", type, shape: $0) }
    }
    let metadata = ["a": "", "": "b", "path": "C:\\x\n", "unicode": "naïve 😀\u{1}"]
    try withTemporaryFolder { folder in
      let path = folder + "/all.safetensors"
      let digest = try withTensors(samples) { tensors in
        try Safetensors.write(tensors, metadata: metadata, to: path)
        return Digest128(ofTensors: tensors)
      }
      let file = try SafetensorsFile(path)
      #expect(file.metadata == metadata)
      #expect(Set(file.tensors) == Set(samples.map(\.description)))
      for sample in samples {
        var read = [UInt8](repeating: 0xaa, count: sample.data.count)
        try read.withUnsafeMutableBytes { try file.read(sample.description.name, into: $0) }
        #expect(read == sample.data, "\(sample.description.name)")
      }
      #expect(try file.digest() == digest)
      let header = try bytes(at: path).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      #expect(header % 8 == 0)
      let alignments = file.tensors.map(\.elementType.byteCount)
      #expect(alignments == alignments.sorted(by: >))
    }
  }

  @Test func numbersOfOtherTypesBecomeFloats() throws {
    // One of each kind: zero, the smallest and greatest, infinity and not-a-number too.
    let bfloats: [UInt16] = [0x0000, 0x8000, 0x3f80, 0xc020, 0x7f80, 0x0001]
    let doubles: [Double] = [0, -0.1, 1e300, 16_777_217]
    let halves: [UInt16] = [0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00]
    let samples = [
      Sample("bf16", .bfloat16, shape: [6], data: bfloats.withUnsafeBytes { Array($0) }),
      Sample("f64", .float64, shape: [2, 2], data: doubles.withUnsafeBytes { Array($0) }),
      Sample("f16", .float16, shape: [8], data: halves.withUnsafeBytes { Array($0) }),
      Sample("nan", .float16, shape: [], data: [0x01, 0x7e]),
      Sample("i32", .signed32, shape: [1], data: [1, 0, 0, 0]),
    ]
    try withTemporaryFolder { folder in
      let path = folder + "/types.safetensors"
      try withTensors(samples) { try Safetensors.write($0, to: path) }
      let file = try SafetensorsFile(path)
      #expect(try file.floats("bf16") == [0, -0.0, 1, -2.5, .infinity, 0x1p-133])
      #expect(try file.floats("f64") == [0, -0.1, .infinity, 16_777_216])
      #expect(
        try file.floats("f16") == [
          0, -0.0, 0x1p-24, 1023 * 0x1p-24, 0x1p-14, 65504, .infinity, -.infinity,
        ])
      #expect(try file.floats("nan").allSatisfy { $0.isNaN })
      #expect(throws: CheckpointError.self) { try file.floats("i32") }
      #expect(throws: CheckpointError.self) { try file.integer("i32") }
      #expect(throws: CheckpointError.self) { try file.floats("missing") }
    }
  }

  /// More than one piece of the reader's buffer, and no multiple of it.
  @Test func longTensorsAreConvertedInPieces() throws {
    let count = 300_001
    let doubles = (0..<count).map(Double.init)
    let sample = Sample("long", .float64, shape: [count], data: doubles.withUnsafeBytes { Array($0) })
    try withTemporaryFolder { folder in
      let path = folder + "/long.safetensors"
      try withTensors([sample]) { try Safetensors.write($0, to: path) }
      let file = try SafetensorsFile(path)
      #expect(try file.floats("long") == (0..<count).map(Float.init))
      var wrong = [Float](repeating: 0, count: count - 1)
      #expect(throws: CheckpointError.self) {
        try wrong.withUnsafeMutableBufferPointer { try file.floats("long", into: $0) }
      }
    }
  }

  @Test func partsOfATensorAreReadFromTheirPlace() throws {
    let sample = Sample(random: "t", .unsigned8, shape: [100])
    try withTemporaryFolder { folder in
      let path = folder + "/t.safetensors"
      try withTensors([sample]) { try Safetensors.write($0, to: path) }
      let file = try SafetensorsFile(path)
      var part = [UInt8](repeating: 0, count: 40)
      try part.withUnsafeMutableBytes { try file.read("t", at: 60, into: $0) }
      #expect(part == Array(sample.data[60...]))
      for offset in [61, -1, Int.max] {
        #expect(throws: CheckpointError.self) {
          try part.withUnsafeMutableBytes { try file.read("t", at: offset, into: $0) }
        }
      }
    }
  }

  // MARK: The writer

  static let table = [
    Safetensors.Description("a", shape: [100]), Safetensors.Description("b", .unsigned8, shape: [37]),
    Safetensors.Description("none", shape: [0]),
  ]

  /// Pieces of 16 bytes, written in the order that `order` gives.
  private func writeInPieces(
    _ path: String, order: ([(String, Int)]) -> [(String, Int)]
  ) throws -> SafetensorsWriter.Summary {
    let samples = Self.table.map { Sample(random: $0.name, $0.elementType, shape: $0.shape) }
    let pieces = samples.flatMap { sample in
      stride(from: 0, to: sample.data.count, by: 16).map { (sample.description.name, $0) }
    }
    let writer = try SafetensorsWriter(path, tensors: Self.table, metadata: ["k": "v"])
    for (name, offset) in order(pieces) {
      let data = try #require(samples.first { $0.description.name == name }).data
      try Array(data[offset..<min(offset + 16, data.count)]).withUnsafeBytes {
        try writer.write($0, ofTensor: name, at: offset)
      }
    }
    return try writer.finish()
  }

  @Test func piecesInAnyOrderMakeTheSameFileAndDigest() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/straight"
      let straight = try writeInPieces(path) { $0 }
      let expected = try bytes(at: path)
      #expect(straight == .init(size: expected.count, digest: Digest128(of: expected)))
      let orders: [([(String, Int)]) -> [(String, Int)]] = [
        { $0.reversed() }, { Array($0[5...] + $0[..<5]) },
        { pieces in
          pieces.indices.filter { $0 % 2 == 1 }.map { pieces[$0] }
            + pieces.indices.filter { $0 % 2 == 0 }.map { pieces[$0] }
        },
      ]
      for (index, order) in orders.enumerated() {
        #expect(try writeInPieces("\(path)-\(index)", order: order) == straight)
        #expect(try bytes(at: "\(path)-\(index)") == expected)
      }
    }
  }

  @Test func aMissingPieceIsFoundAtTheEnd() throws {
    try withTemporaryFolder { folder in
      for missing in [0, 10, 24, 25, 27] {
        let error = try #require(throws: CheckpointError.self) {
          try writeInPieces("\(folder)/\(missing)") { pieces in
            pieces.indices.filter { $0 != missing }.map { pieces[$0] }
          }
        }
        let (name, byte) = missing < 25 ? ("a", missing * 16) : ("b", (missing - 25) * 16)
        #expect(error.diagnosis.found == "none for \"\(name)\" at byte \(byte)")
      }
    }
  }

  @Test func piecesOutsideTheirTensorOrTwiceAreRefused() throws {
    try withTemporaryFolder { folder in
      let writer = try SafetensorsWriter(folder + "/f", tensors: Self.table)
      let piece = [UInt8](repeating: 1, count: 16)
      try piece.withUnsafeBytes { bytes in
        try writer.write(bytes, ofTensor: "a", at: 32)
        for (name, offset) in [
          ("a", 17), ("a", 32), ("a", 47), ("a", 385), ("a", -1), ("a", Int.max), ("b", 22), ("c", 0),
          ("none", 0),
        ] {
          #expect(throws: CheckpointError.self, "\(name) \(offset)") {
            try writer.write(bytes, ofTensor: name, at: offset)
          }
        }
      }
    }
  }

  @Test func namesThatTheFormatCannotHoldAreRefused() throws {
    try withTemporaryFolder { folder throws in
      for names in [["a", "a"], ["__metadata__"]] {
        #expect(throws: CheckpointError.self) {
          try SafetensorsWriter(
            folder + "/f", tensors: names.map { Safetensors.Description($0, shape: [1]) })
        }
      }
      #expect(try CheckpointsTests.names(in: folder) == [])
    }
  }

  @Test func rangesThatOverlapInAnyWayAreFound() {
    // Against a plain set of bytes, for all ranges within twelve.
    for first in 0..<11 {
      for second in 0..<11 {
        var coverage = Coverage()
        var bytes = Set<Int>()
        for range in [first..<first + 2, second..<second + 2, 4..<7, 0..<1, 11..<13, 7..<9] {
          let isNew = bytes.isDisjoint(with: range)
          #expect(coverage.insert(range) == isNew)
          if isNew { bytes.formUnion(range) }
          let gap = (0..<13).first { !bytes.contains($0) }
          #expect(coverage.firstGap(before: 13) == gap)
        }
        #expect(Set(coverage.ranges.flatMap { Array($0) }) == bytes)
        for (left, right) in zip(coverage.ranges, coverage.ranges.dropFirst()) {
          #expect(left.upperBound < right.lowerBound)
        }
      }
    }
  }
}
