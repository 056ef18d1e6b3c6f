/// Lists of strings as bytes that travel between ranks: each string behind its length, eight bytes with the
/// lowest first.
package enum StringPacking {
  package static func pack(_ strings: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for string in strings {
      withUnsafeBytes(of: UInt64(string.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: string.utf8)
    }
    return bytes
  }

  /// The strings, or nil if these are not the bytes of any.
  package static func unpack(_ bytes: [UInt8]) -> [String]? {
    var strings: [String] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 8 else { return nil }
      let length = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      rest = rest.dropFirst(8)
      guard length <= UInt64(rest.count),
        let string = String(validating: rest.prefix(Int(length)), as: UTF8.self)
      else { return nil }
      strings.append(string)
      rest = rest.dropFirst(Int(length))
    }
    return strings
  }

  /// Every rank's strings, on every rank.
  static func gather(
    _ strings: [String], over communicator: any Communicator
  ) throws(MessagePassingError) -> [[String]] {
    var result: [[String]] = []
    for (rank, bytes) in try communicator.allgather(bytes: pack(strings)).enumerated() {
      guard let strings = unpack(bytes) else {
        throw MessagePassingError(
          at: "what rank \(rank) says of itself", expected: "a list of strings",
          found: "\(bytes.count) other bytes", remedy: "Start the same program on all ranks.")
      }
      result.append(strings)
    }
    return result
  }
}
