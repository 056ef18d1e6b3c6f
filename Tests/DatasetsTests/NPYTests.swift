import Datasets
import Foundation
import Testing

/// The bytes of an NPY file.
func npy(_ type: String, _ shape: [Int], _ bytes: [UInt8], fortran: Bool = false, version: UInt8 = 1)
  -> [UInt8]
{
  let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
  return npy(
    header:
      "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(dimensions)), }",
    bytes, version: version)
}

func npy(header: String, _ bytes: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let text = Array(header.utf8) + [10]
  let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + bytes
}

func bytes<Number>(_ numbers: [Number]) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }

@Suite struct NPYTests {
  private func read(_ file: [UInt8]) throws -> NPYArray {
    let folder = try TemporaryFolder()
    return try NPYArray(contentsOf: folder.write(file, to: "array.npy"))
  }

  private func refusal(_ file: [UInt8]) -> String {
    let error = #expect(throws: DatasetError.self) { try read(file) }
    return error?.description ?? ""
  }

  @Test func everyTypeIsReadInBothByteOrders() throws {
    func check<Number: FixedWidthInteger>(_ type: String, _ numbers: [Number], _ expected: [Float]) throws {
      #expect(try read(npy("<" + type, [2], bytes(numbers.map(\.littleEndian)))).floats() == expected)
      #expect(try read(npy(">" + type, [2], bytes(numbers.map(\.bigEndian)))).floats() == expected)
    }
    try check("i1", [Int8(-3), 7], [-3, 7])
    try check("u1", [UInt8(200), 7], [200, 7])
    try check("i2", [Int16(-300), 7], [-300, 7])
    try check("u2", [UInt16(60_000), 7], [60_000, 7])
    try check("i4", [Int32(-70_000), 7], [-70_000, 7])
    try check("u4", [UInt32(3_000_000_000), 7], [3_000_000_000, 7])
    try check("i8", [Int64(-5_000_000_000), 7], [-5_000_000_000, 7])
    try check("u8", [UInt64(5_000_000_000), 7], [5_000_000_000, 7])
    try check("f2", [UInt16(0xC100), 0x3555], [-2.5, 0.333251953125])
    try check("f4", [Float(-2.5).bitPattern, Float(0.1).bitPattern], [-2.5, 0.1])
    try check("f8", [(-2.5).bitPattern, (0.1).bitPattern], [-2.5, 0.1])
    #expect(try read(npy("|b1", [3], [0, 1, 1])).floats() == [0, 1, 1])
  }

  @Test func halvesAreIEEE754s() {
    for (bits, value) in [
      (0x0000, 0), (0x0001, 0x1p-24), (0x03FF, 0x1p-14 - 0x1p-24), (0x0400, 0x1p-14), (0x3C00, 1),
      (0x7BFF, 65_504), (0x8400, -0x1p-14),
    ] as [(UInt16, Float)] { #expect(NPYArray.float(half: bits) == value) }
    #expect(NPYArray.float(half: 0xFC00) == -.infinity)
    #expect(NPYArray.float(half: 0x7E00).isNaN)
  }

  @Test func fortranOrderIsTurnedAround() throws {
    // a[i, j, k] = 100 i + 10 j + k, of shape [2, 3, 2], the first index fastest.
    var column: [Int16] = []
    for k in 0..<2 { for j in 0..<3 { for i in 0..<2 { column.append(Int16(100 * i + 10 * j + k)) } } }
    let array = try read(npy("<i2", [2, 3, 2], bytes(column), fortran: true))
    #expect(array.floats() == [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121])
    let big = try read(npy(">i2", [2, 3, 2], bytes(column.map(\.byteSwapped)), fortran: true))
    #expect(big.bytes == array.bytes)
  }

  @Test(arguments: [1, 2, 3] as [UInt8]) func everyVersionIsRead(_ version: UInt8) throws {
    let array = try read(npy("|u1", [2, 2], [1, 2, 3, 4], version: version))
    #expect(array.shape == [2, 2] && array.bytes == [1, 2, 3, 4])
  }

  @Test func headersOfOtherWritersAreRead() throws {
    let array = try read(
      npy(header: "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"|u1\"}     ", [5, 6]))
    #expect(array.bytes == [5, 6])
    #expect(
      try read(npy(header: "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", bytes([Float(3)])))
        .floats() == [3])
    #expect(try read(npy("<f4", [0, 3], [])).count == 0)
  }

  @Test func hostileFilesAreRefused() throws {
    #expect(refusal([]).contains("empty"))
    #expect(refusal(Array("PK\u{3}\u{4}0123456789".utf8)).contains("another beginning"))
    #expect(refusal(npy("|O", [1], [UInt8](repeating: 0, count: 8))).contains("Python objects"))
    #expect(refusal(npy("|O8", [1], [UInt8](repeating: 0, count: 8))).contains("type"))
    #expect(refusal(npy("<c8", [1], [UInt8](repeating: 0, count: 8))).contains("<c8"))
    #expect(refusal(npy("<M8[ns]", [1], [UInt8](repeating: 0, count: 8))).contains("M8"))
    #expect(refusal(npy("|i4", [1], [0, 0, 0, 0])).contains("|i4"))
    #expect(
      refusal(npy(header: "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", [0, 0, 0, 0]))
        .contains("several fields"))
    #expect(refusal(npy("<f4", [2], [0, 0, 0, 0])).contains("cut short"))
    #expect(refusal(npy("|u1", [2], [0, 0, 0])).contains("3 bytes"))
    #expect(refusal(npy("|u1", [1 << 40, 1 << 40], [0])).contains("1 bytes"))
    #expect(refusal(npy("|u1", [Int.max, 0, 2], [0])).contains("1 bytes"))
    #expect(refusal(npy("|u1", [1], [1], version: 4)).contains("version 4.0"))
    var short = npy("|u1", [1], [1])
    short[8] = 0xFF
    #expect(refusal(short).contains("header"))
    short.removeLast(short.count - 9)
    #expect(refusal(short).contains("another beginning"))
    var long = npy("|u1", [1], [1], version: 2)
    long[11] = 0x7F
    #expect(refusal(long).contains("at most"))
    for header in [
      "", "{", "{'descr'", "{'descr': ", "{'descr': '<f4", "{'descr': '|u1', 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': [1]}",
      "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} + 1",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'x': 'y'}",
    ] { #expect(refusal(npy(header: header, [1])).contains("array.npy")) }
  }

  // MARK: - Data sets

  private func folder(_ files: [String: [UInt8]]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (name, bytes) in files { try folder.write(bytes, to: "\(name).npy") }
    return folder
  }

  private func loadRefusal(_ files: [String: [UInt8]], classes: Int? = nil) throws -> String {
    let folder = try folder(files)
    let error = #expect(throws: DatasetError.self) {
      try NPYFiles.load(at: folder.path, split: .train, classes: classes)
    }
    return error?.description ?? ""
  }

  @Test func bytesWithLabelsAreImages() throws {
    let folder = try folder([
      "train_inputs": npy("|u1", [2, 2, 3], Array(1...12)),
      "train_labels": npy("<i8", [2], bytes([Int64(1), 0])),
      "test_inputs": npy("|u1", [1, 2, 3], Array(21...26)), "test_labels": npy("|u1", [1], [1]),
    ])
    let train = try NPYFiles.load(at: folder.path, split: .train)
    let images = try #require(train as? ByteImages)
    #expect(images.inputShape == [1, 2, 3])
    #expect(try images.normalized(by: .none).filled([1]).inputs == [7, 8, 9, 10, 11, 12])
    #expect(images.filled([0, 1]).targets == [1, 0])
    #expect(NPYFiles.hasTestSplit(at: folder.path))
    let test = try NPYFiles.load(at: folder.path, split: .test, classes: train.target.classCount)
    #expect(test.count == 1 && test.target == .classes(2))
  }

  @Test func floatsGoWithLabelsValuesAndWeights() throws {
    let inputs = npy("<f4", [3, 2], bytes([1, 2, 3, 4, 5, 6] as [Float]))
    let labels = npy("<i4", [3], bytes([2, 0, 1] as [Int32]))
    let first = try folder(["train_inputs": inputs, "train_labels": labels])
    let labeled = try NPYFiles.load(at: first.path, split: .train)
    #expect(labeled.target == .classes(3))
    #expect(labeled.filled([2, 0]).inputs == [5, 6, 1, 2])
    #expect(labeled.filled([2, 0]).targets == [1, 2])
    let second = try folder([
      "train_inputs": inputs, "train_values": npy("<f8", [3, 2], bytes([1, 2, 3, 4, 5, 6.5])),
      "train_weights": npy("<f4", [3], bytes([1, 0, 2] as [Float])),
    ])
    let valued = try NPYFiles.load(at: second.path, split: .train)
    #expect(valued.target == .values(2))
    #expect(valued.filledWithWeights([2, 1]).values == [5, 6.5, 3, 4])
    #expect(valued.filledWithWeights([2, 1]).weights == [2, 0])
  }

  @Test func floatImagesAreStandardizedByChannel() throws {
    let array = npy("<f4", [2, 2, 1, 2], bytes([0, 2, 10, 10, 2, 4, 30, 30] as [Float]))
    let values = npy("<f4", [2], bytes([0, 1] as [Float]))
    let folder = try folder(["train_inputs": array, "train_values": values])
    let data = try NPYFiles.load(at: folder.path, split: .train)
    let normalization = data.standardNormalization(of: nil)
    #expect(normalization.mean == [2, 20])
    #expect(normalization.standardDeviation == [2.squareRoot(), 10])
    #expect(try data.normalized(by: normalization).filled([1]).inputs.suffix(2) == [1, 1])
  }

  @Test func arraysThatDoNotFitAreRefused() throws {
    let inputs = npy("|u1", [2, 3], Array(1...6))
    func labels(_ values: [UInt8]) -> [UInt8] { npy("|u1", [values.count], values) }
    #expect(try loadRefusal(["train_labels": labels([0, 1])]).contains("no train_inputs.npy"))
    #expect(try loadRefusal(["train_inputs": inputs]).contains("neither"))
    #expect(
      try loadRefusal([
        "train_inputs": inputs, "train_labels": labels([0, 1]), "train_values": labels([0, 1]),
      ])
      .contains("both"))
    #expect(try loadRefusal(["train_inputs": inputs, "train_labels": labels([0, 1, 1])]).contains("[3]"))
    #expect(
      try loadRefusal(["train_inputs": labels([1, 2]), "train_labels": labels([0, 1])]).contains("[2]"))
    #expect(try loadRefusal(["train_inputs": inputs, "train_labels": labels([0, 0])]).contains("one class"))
    #expect(try loadRefusal(["train_inputs": inputs, "train_labels": labels([1, 2])]).contains("class 0"))
    #expect(
      try loadRefusal(["train_inputs": inputs, "train_labels": labels([0, 2])], classes: 2)
        .contains("2 as the label of sample 1"))
    #expect(
      try loadRefusal(["train_inputs": inputs, "train_labels": npy("<f4", [2], bytes([0, 0.5] as [Float]))])
        .contains("label of sample 1"))
    #expect(
      try loadRefusal([
        "train_inputs": npy("<f4", [2, 1], bytes([1, Float.nan])), "train_labels": labels([0, 1]),
      ]).contains("element 1"))
    for (half, found) in [(0x7C00, "inf"), (0xFC00, "-inf"), (0x7E01, "nan")] as [(UInt16, String)] {
      #expect(
        try loadRefusal([
          "train_inputs": npy("<f2", [2, 1], bytes([0x7BFF, half])), "train_labels": labels([0, 1]),
        ]).contains("found \(found) as element 1"))
    }
    #expect(
      try loadRefusal([
        "train_inputs": npy("|u1", [2, 5, 5, 3], [UInt8](repeating: 0, count: 150)),
        "train_labels": labels([0, 1]),
      ]).contains("transpose"))
  }
}
