import Foundation
import Testing

import Checkpoints

/// Files that were made to do harm, or that were harmed.
@Suite struct HostileSafetensorsTests {
  private static func file(
    _ header: String, dataCount: Int = 0, length: UInt64? = nil
  ) -> [UInt8] {
    let json = Array(header.utf8)
    let length = length ?? UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + json
      + [UInt8](repeating: 0, count: dataCount)
  }

  private static func tensor(
    _ type: String = "F32", _ shape: String = "1", _ start: String = "0", _ end: String = "4",
    name: String = "a"
  ) -> String {
    "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":[\(shape)],\"data_offsets\":[\(start),\(end)]}"
  }

  private static func refused(_ bytes: [UInt8]) -> CheckpointError? {
    do {
      return try withTemporaryFolder { folder in
        try put(bytes, at: folder + "/f")
        do {
          _ = try SafetensorsFile(folder + "/f")
          return nil
        } catch let error as CheckpointError { return error }
      }
    } catch {
      return nil
    }
  }

  static let lenient: [(String, Int)] = [
    ("{}", 0), ("  \n{}", 0), ("{}   ", 0), ("{\"__metadata__\":{}}", 0), ("{\(tensor())}", 4),
    (" { \(tensor()) , \"__metadata__\" : { \"a\" : \"b\" } } ", 4), ("{\(tensor("F32", "0", "0", "0"))}", 0),
    ("{\(tensor("F32", "0,9223372036854775807", "0", "0"))}", 0), ("{\(tensor("U8", "", "0", "1"))}", 1),
    ("{\"a\":{\"data_offsets\":[0,4],\"shape\":[1],\"dtype\":\"F32\"}}", 4),
    ("{\(tensor(name: "b")),\(tensor("F32", "0", "4", "4", name: "z")),\(tensor("U8", "1", "4", "5"))}", 5),
    ("{\(tensor("U8", (0..<32).map { _ in "1" }.joined(separator: ","), "0", "1"))}", 1),
    ("{\(tensor(name: "../../etc/passwd"))}", 4), ("{\(tensor(name: ""))}", 4),
  ]

  @Test(arguments: lenient) func oddButValidHeadersAreRead(header: String, dataCount: Int) {
    #expect(Self.refused(Self.file(header, dataCount: dataCount)) == nil)
  }

  static let hostile: [(String, Int)] = [
    // No header, or not an object.
    ("", 0), ("{", 0), ("[]", 0), ("null", 0), ("\"\"", 0), ("{}{}", 0), ("{}x", 0), ("\u{feff}{}", 0),
    ("{}\0", 0), ("{\"a\":1}", 0), ("{\"a\":{}}", 0), ("{\"a\":[]}", 0), ("{\"a\":null}", 0),
    // Parts missing, twice, unknown, or of another kind.
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4),
    ("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4),
    ("{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[]}}", 4),
    ("{\(tensor("F33"))}", 4), ("{\(tensor("f32"))}", 4), ("{\(tensor(""))}", 4),
    // Names.
    ("{\(tensor()),\(tensor("F32", "1", "4", "8"))}", 8), ("{\(tensor()),\(tensor())}", 4),
    ("{\(tensor(name: "b")),\(tensor("F32", "1", "4", "8", name: "\\u0062"))}", 8),
    ("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
    ("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0), ("{\"__metadata__\":{\"a\":1}}", 0),
    ("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0), ("{\"__metadata__\":[]}", 0),
    ("{\"__metadata__\":null}", 0), ("{\"a\u{1}\":1}", 0), ("{\(tensor(name: "\\ud800"))}", 4),
    // Numbers.
    ("{\(tensor("F32", "-1"))}", 4), ("{\(tensor("F32", "1.0"))}", 4), ("{\(tensor("F32", "1e0"))}", 4),
    ("{\(tensor("F32", "01"))}", 4), ("{\(tensor("F32", "1", "-4", "0"))}", 4),
    ("{\(tensor("F32", "1", "4", "0"))}", 4), ("{\(tensor("F32", "18446744073709551617"))}", 4),
    ("{\(tensor("F32", "9223372036854775808"))}", 4), ("{\(tensor("F32", "\"1\""))}", 4),
    // Products that overflow, to a believable size or to zero.
    ("{\(tensor("F32", "4611686018427387905"))}", 4), ("{\(tensor("F32", "2147483648,2147483648,4"))}", 4),
    ("{\(tensor("U8", "4294967296,4294967296", "0", "0"))}", 0),
    ("{\(tensor("F32", "9223372036854775807,0", "0", "0"))}", 0),
    ("{\(tensor("U8", "9223372036854775807", "0", "9223372036854775807"))}", 4),
    ("{\(tensor("U8", (0..<33).map { _ in "1" }.joined(separator: ","), "0", "1"))}", 1),
    // Places: too small, too great, overlapping, with a gap, not at the end or beginning.
    ("{\(tensor("F32", "1", "0", "3"))}", 3), ("{\(tensor("F32", "1", "0", "8"))}", 8),
    ("{\(tensor("F32", "2"))}", 4), ("{\(tensor())}", 3), ("{\(tensor())}", 5), ("{\(tensor())}", 0),
    ("{}", 1), ("{\(tensor("F32", "1", "4", "8"))}", 8),
    ("{\(tensor()),\(tensor("F32", "1", "0", "4", name: "b"))}", 8),
    ("{\(tensor()),\(tensor("F32", "1", "2", "6", name: "b"))}", 6),
    ("{\(tensor()),\(tensor("F32", "1", "8", "12", name: "b"))}", 12),
    ("{\(tensor()),\(tensor("F32", "0", "2", "2", name: "b"))}", 4),
    ("{\(tensor()),\(tensor("F32", "0", "8", "8", name: "b"))}", 4),
    // Nesting.
    (String(repeating: "[", count: 100_000), 0), (String(repeating: "{\"a\":", count: 100_000), 0),
    ("{\(tensor("F32", String(repeating: "[", count: 100_000)))}", 4),
  ]

  @Test(arguments: hostile.indices) func hostileHeadersAreRefused(index: Int) throws {
    let (header, dataCount) = Self.hostile[index]
    let error = Self.refused(Self.file(header, dataCount: dataCount))
    let diagnosis = try #require(error, "accepted: \(header.prefix(200))").diagnosis
    #expect(diagnosis.place.contains("/f"))
    #expect(diagnosis.description.utf8.count < 2000)
  }

  @Test(
    arguments: [
      UInt64.max, 1 << 63, UInt64.max >> 1, 100_000_001, 100_000_000, 99_999_999, 3, 1, 0,
    ] as [UInt64])
  func aLengthThatTheFileDoesNotHaveIsRefusedBeforeAnythingIsAllocated(length: UInt64) throws {
    let error = try #require(Self.refused(Self.file("{}", length: length)))
    #expect(error.diagnosis.found.hasSuffix("\(length)") || length == 1 || length == 0)
  }

  @Test func filesWithoutRoomForAHeaderAreRefused() {
    for count in 0..<10 {
      #expect(Self.refused([UInt8](repeating: 0, count: count)) != nil)
      #expect(Self.refused([2] + [UInt8](repeating: 0, count: count)) != nil)
    }
  }

  @Test func everyShorterFileIsRefused() {
    let whole = SafetensorsTests.fixtureBytes
    #expect(Self.refused(whole) == nil)
    for count in 0..<whole.count {
      #expect(Self.refused(Array(whole[..<count])) != nil, "\(count) bytes")
    }
    #expect(Self.refused(whole + [0]) != nil)
  }

  /// Whatever a flipped bit or a changed byte does, it ends in an error or in a table that fits the file.
  @Test func noChangedByteOfAHeaderCrashesTheReader() throws {
    let whole = SafetensorsTests.fixtureBytes
    try withTemporaryFolder { folder in
      let path = folder + "/f"
      try put(whole, at: path)
      for index in 0..<432 {
        for mask in (0..<8).map({ UInt8(1) << $0 }) + [0xff, 0x51, 0x7f] {
          try change(byte: index, of: path, by: mask)
          if let file = try? SafetensorsFile(path) {
            #expect(file.tensors.reduce(0) { $0 + $1.byteCount } <= whole.count)
          }
          try change(byte: index, of: path, by: mask)
        }
      }
      _ = try SafetensorsFile(path)
    }
  }

  @Test func moreTensorsThanAnyModelHasAreRefused() throws {
    let many = (0...70_000).map { Self.tensor("U8", "0", "0", "0", name: "\($0)") }
    let error = try #require(Self.refused(Self.file("{\(many.joined(separator: ","))}")))
    #expect(error.diagnosis.expected == "at most 65537 members")
  }

  @Test(.timeLimit(.minutes(1))) func whatIsNoRegularFileIsRefused() throws {
    try withTemporaryFolder { folder in
      #expect(mkfifo(folder + "/pipe", 0o600) == 0)
      for path in [folder, folder + "/pipe", folder + "/missing", "/dev/zero", folder + "/\0"] {
        #expect(throws: CheckpointError.self) { try SafetensorsFile(path) }
      }
    }
  }
}
