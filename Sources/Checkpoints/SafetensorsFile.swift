import TensorCore

/// A safetensors file that is being read. Everything that its header says is checked when it is opened, before
/// anything of a size that the file claims is allocated; the data are read where and when they are asked for.
///
/// Any number of threads may read at the same time.
public final class SafetensorsFile: Sendable {
  public let path: String
  /// What the file holds, in the order of the data.
  public let tensors: [Safetensors.Description]
  /// The header's `__metadata__`.
  public let metadata: [String: String]

  private let file: InputFile
  private let header: SafetensorsHeader
  private let dataStart: Int
  private let indexOfName: [String: Int]

  /// Opens a file. Throws a `CheckpointError` if it cannot be read, or is not wholly a safetensors file.
  public convenience init(_ path: String) throws(CheckpointError) {
    try self.init(path, followingLinks: true)
  }

  init(_ path: String, followingLinks: Bool) throws(CheckpointError) {
    let file = try InputFile(path, followingLinks: followingLinks)
    var length: [UInt8] = []
    if file.size >= 8 { length = try file.bytes(at: 0, count: 8) }
    let claimed = length.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let most = min(SafetensorsHeader.longest, file.size - 8)
    guard most >= 2, (2...UInt64(most)).contains(claimed) else {
      throw CheckpointError(
        at: path, expected: "a header of 2 to \(max(2, most)) bytes, in a file of \(file.size)",
        found: length.isEmpty ? "no room for one" : "a length of \(claimed)",
        remedy: SafetensorsHeader.remedy)
    }
    dataStart = 8 + Int(claimed)
    header = try SafetensorsHeader(
      parsing: try file.bytes(at: 8, count: Int(claimed)), dataCount: file.size - dataStart,
      path: path)
    self.path = path
    self.file = file
    metadata = header.metadata
    tensors = header.entries.map(\.description)
    indexOfName = Dictionary(
      uniqueKeysWithValues: header.entries.enumerated().map { ($1.description.name, $0) })
  }

  /// The tensor of a name, or nil.
  public subscript(name: String) -> Safetensors.Description? {
    indexOfName[name].map { tensors[$0] }
  }

  /// Copies a tensor's bytes, from byte `offset` of it on, into `buffer`, which says by its size how many.
  public func read(
    _ name: String, at offset: Int = 0, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    let entry = try entry(name)
    guard offset >= 0, buffer.count <= entry.range.count, offset <= entry.range.count - buffer.count
    else {
      throw CheckpointError(
        at: "\(path), tensor \"\(name)\"", expected: "\(buffer.count) bytes at \(offset) of it",
        found: "\(entry.range.count), of shape \(entry.description.shape)",
        remedy: "Check that the file belongs to this model.")
    }
    try file.read(into: buffer, at: dataStart + entry.range.lowerBound + offset)
  }

  /// A tensor's elements as `Float`, in C order. F16 and BF16 are widened exactly, F64 is rounded.
  public func floats(_ name: String) throws(CheckpointError) -> [Float] {
    let entry = try entry(name)
    try check(entry, isOneOf: [.float32, .float16, .bfloat16, .float64])
    let count = entry.range.count / entry.description.elementType.byteCount
    var floats = [Float](repeating: 0, count: count)
    try floats.withUnsafeMutableBufferPointer { (buffer) throws(CheckpointError) in
      try read(entry, into: buffer)
    }
    return floats
  }

  /// The same, into a buffer of as many elements as the tensor has.
  public func floats(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let entry = try entry(name)
    try check(entry, isOneOf: [.float32, .float16, .bfloat16, .float64])
    let count = entry.range.count / entry.description.elementType.byteCount
    guard buffer.count == count else {
      throw CheckpointError(
        at: "\(path), tensor \"\(name)\"", expected: "\(buffer.count) elements",
        found: "\(count), of shape \(entry.description.shape)",
        remedy: "Check that the file belongs to this model.")
    }
    try read(entry, into: buffer)
  }

  /// The number in an I64 tensor of one element, such as a count of batches.
  public func integer(_ name: String) throws(CheckpointError) -> Int64 {
    let entry = try entry(name)
    try check(entry, isOneOf: [.signed64])
    guard entry.range.count == 8 else {
      throw CheckpointError(
        at: "\(path), tensor \"\(name)\"", expected: "one element",
        found: "shape \(entry.description.shape)",
        remedy: "Check that the file belongs to this model.")
    }
    let bytes = try file.bytes(at: dataStart + entry.range.lowerBound, count: 8)
    return bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
  }

  /// The digest of all tensors, the same as `Digest128(ofTensors:)` gives for them in memory.
  public func digest() throws(CheckpointError) -> Digest128 {
    var stream = DigestStream()
    let sorted = header.entries.sorted {
      Safetensors.precedes($0.description.name, $1.description.name)
    }
    for entry in sorted {
      stream.update(entry.description)
      let range = entry.range
      try file.read(dataStart + range.lowerBound..<dataStart + range.upperBound) { stream.update($0) }
    }
    return stream.digest
  }

  private func entry(_ name: String) throws(CheckpointError) -> SafetensorsHeader.Entry {
    guard let index = indexOfName[name] else {
      let names = tensors.prefix(8).map(\.name).joined(separator: ", ")
      throw CheckpointError(
        at: path, expected: "a tensor \"\(name)\"",
        found: tensors.isEmpty ? "none" : "\(tensors.count) tensors, such as \(names)",
        remedy: "Check that the file belongs to this model.")
    }
    return header.entries[index]
  }

  private func check(
    _ entry: SafetensorsHeader.Entry, isOneOf types: [Safetensors.ElementType]
  ) throws(CheckpointError) {
    guard types.contains(entry.description.elementType) else {
      throw CheckpointError(
        at: "\(path), tensor \"\(entry.description.name)\"",
        expected: types.map(\.rawValue).joined(separator: ", "),
        found: entry.description.elementType.rawValue,
        remedy: "Check that the file belongs to this model.")
    }
  }

  private func read(
    _ entry: SafetensorsHeader.Entry, into floats: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let start = dataStart + entry.range.lowerBound
    let type = entry.description.elementType
    guard type != .float32 else {
      return try file.read(into: UnsafeMutableRawBufferPointer(floats), at: start)
    }
    var index = 0
    // Pieces end between elements: their size is a multiple of every element's.
    try file.read(start..<start + entry.range.count) { piece in
      for offset in stride(from: 0, to: piece.count, by: type.byteCount) {
        floats[index] =
          switch type {
          case .float16:
            Float(Float16(bitPattern: piece.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
          case .bfloat16:
            Float(
              bitPattern: UInt32(piece.loadUnaligned(fromByteOffset: offset, as: UInt16.self)) << 16)
          default:
            Float(piece.loadUnaligned(fromByteOffset: offset, as: Double.self))
          }
        index += 1
      }
    }
  }
}
