import TensorCore

/// A safetensors header: where each tensor lies in the data. Written strictly, read leniently where the format is
/// lenient (white space, any order of members) and strictly where a mistake would be believed.
struct SafetensorsHeader {
  /// A tensor and the range of its data, counted from the beginning of the data.
  struct Entry: Sendable {
    let description: Safetensors.Description
    let range: Range<Int>
  }

  /// The format's own limit on the header.
  static let longest = 100_000_000
  /// Bounds what the table of a hostile header can cost; the greatest models have some thousands to a file.
  static let mostTensors = 65_536
  static let mostDimensions = 32
  static let remedy = "The file is damaged or is no safetensors file; use another copy of it."
  private static let metadataKey = "__metadata__"

  /// By ascending place in the data.
  let entries: [Entry]
  let metadata: [String: String]
  let dataCount: Int

  // MARK: Writing

  /// Lays tensors out: by descending alignment, then in `order`, without gaps.
  init(
    laying tensors: [Safetensors.Description], order: Safetensors.Order, metadata: [String: String],
    path: String
  ) throws(CheckpointError) {
    let sorted = tensors.enumerated().sorted { first, second in
      let sizes = (first.element.elementType.byteCount, second.element.elementType.byteCount)
      guard sizes.0 == sizes.1 else { return sizes.0 > sizes.1 }
      return order == .asGiven
        ? first.offset < second.offset : Safetensors.precedes(first.element.name, second.element.name)
    }.map(\.element)
    var names: Set<String> = [Self.metadataKey]
    var offset = 0
    var entries: [Entry] = []
    entries.reserveCapacity(sorted.count)
    for tensor in sorted {
      guard names.insert(tensor.name).inserted else {
        throw CheckpointError(
          at: path, expected: "each tensor's name once, and none called \(Self.metadataKey)",
          found: "\"\(tensor.name)\"", remedy: "Rename the layer or the tensor.")
      }
      let (end, overflowed) = offset.addingReportingOverflow(tensor.byteCount)
      guard !overflowed, tensor.shape.count <= Self.mostDimensions,
        tensor.name.utf8.count <= JSONReader<CheckpointError>.longestString
      else {
        throw CheckpointError(
          at: path, expected: "a tensor that a file can hold",
          found: "\"\(tensor.name.prefix(200))\" of shape \(tensor.shape)", remedy: "Cut it up.")
      }
      entries.append(Entry(description: tensor, range: offset..<end))
      offset = end
    }
    guard entries.count <= Self.mostTensors else {
      throw CheckpointError(
        at: path, expected: "at most \(Self.mostTensors) tensors", found: "\(entries.count)",
        remedy: "Write them into several files.")
    }
    self.entries = entries
    self.metadata = metadata
    dataCount = offset
  }

  /// The length and the header, padded with spaces so that the data begin at a multiple of eight.
  func encoded(path: String) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 8)
    bytes.append(UInt8(ascii: "{"))
    if !metadata.isEmpty {
      bytes.appendJSON(Self.metadataKey)
      bytes.append(contentsOf: Array(":{".utf8))
      for (key, value) in metadata.sorted(by: { Safetensors.precedes($0.key, $1.key) }) {
        bytes.appendJSON(key)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendJSON(value)
        bytes.append(UInt8(ascii: ","))
      }
      bytes[bytes.count - 1] = UInt8(ascii: "}")
      bytes.append(UInt8(ascii: ","))
    }
    for entry in entries {
      bytes.appendJSON(entry.description.name)
      let shape = entry.description.shape.map(String.init).joined(separator: ",")
      let rest =
        ":{\"dtype\":\"\(entry.description.elementType.rawValue)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(entry.range.lowerBound),\(entry.range.upperBound)]},"
      bytes.append(contentsOf: Array(rest.utf8))
    }
    if bytes.last == UInt8(ascii: ",") { bytes.removeLast() }
    bytes.append(UInt8(ascii: "}"))
    while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
    let count = bytes.count - 8
    guard count <= Self.longest else {
      throw CheckpointError(
        at: path, expected: "a header of at most \(Self.longest) bytes", found: "\(count)",
        remedy: "Put less into the metadata, or write several files.")
    }
    for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
    return bytes
  }

  // MARK: Reading

  /// Reads a header's JSON and checks every claim in it against the bytes of data that the file has.
  init(parsing bytes: [UInt8], dataCount: Int, path: String) throws(CheckpointError) {
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    var reader = JSONReader<CheckpointError>(bytes, place: path, remedy: Self.remedy)
    try reader.object(limit: Self.mostTensors + 1) { (reader, key) throws(CheckpointError) in
      if key == Self.metadataKey {
        try reader.object(limit: Self.mostTensors) { (reader, key) throws(CheckpointError) in
          metadata[key] = try reader.string()
        }
      } else {
        entries.append(try Self.entry(named: key, &reader))
      }
    }
    try reader.end()
    // Tensors of no bytes share their place with the next one, and come before it.
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var offset = 0
    for entry in entries {
      guard entry.range.lowerBound == offset else {
        throw CheckpointError(
          at: "\(path), tensor \"\(entry.description.name)\"",
          expected: "data that begin at \(offset), where those before end",
          found: "\(entry.range.lowerBound)", remedy: Self.remedy)
      }
      offset = entry.range.upperBound
    }
    guard offset == dataCount else {
      throw CheckpointError(
        at: path, expected: "\(offset) bytes of data, as its header says", found: "\(dataCount)",
        remedy: Self.remedy)
    }
    self.entries = entries
    self.metadata = metadata
    self.dataCount = dataCount
  }

  private static func entry(
    named name: String, _ reader: inout JSONReader<CheckpointError>
  ) throws(CheckpointError) -> Entry {
    var elementType: Safetensors.ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.object(limit: 3) { (reader, key) throws(CheckpointError) in
      switch key {
      case "dtype":
        let text = try reader.string("the name of an element type")
        guard let type = Safetensors.ElementType(rawValue: text) else {
          let known = Safetensors.ElementType.allCases.map(\.rawValue).joined(separator: ", ")
          throw reader.error(
            expected: "one of \(known)", found: "\"\(text.prefix(40))\" for tensor \"\(name.prefix(200))\"")
        }
        elementType = type
      case "shape":
        shape = try numbers(&reader, limit: mostDimensions)
      case "data_offsets":
        offsets = try numbers(&reader, limit: 2)
      default:
        throw reader.error(
          expected: "dtype, shape or data_offsets for tensor \"\(name.prefix(200))\"",
          found: "\"\(key.prefix(40))\"")
      }
    }
    guard let elementType, let shape, let offsets, offsets.count == 2 else {
      throw reader.error(
        expected: "dtype, shape and two data_offsets for tensor \"\(name.prefix(200))\"",
        found: "not all of them")
    }
    guard let count = elementType.byteCount(shape: shape), offsets[0] <= offsets[1],
      offsets[1] - offsets[0] == count
    else {
      throw reader.error(
        expected: "data_offsets that are as far apart as tensor \"\(name.prefix(200))\" has bytes",
        found: "\(offsets) for \(elementType.rawValue) \(shape)")
    }
    return Entry(
      description: Safetensors.Description(name, elementType, shape: shape, byteCount: count),
      range: offsets[0]..<offsets[1])
  }

  private static func numbers(
    _ reader: inout JSONReader<CheckpointError>, limit: Int
  ) throws(CheckpointError) -> [Int] {
    var numbers: [Int] = []
    try reader.array(limit: limit) { (reader) throws(CheckpointError) in
      numbers.append(try reader.integer())
    }
    return numbers
  }
}
