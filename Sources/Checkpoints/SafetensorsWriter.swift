import Synchronization
import TensorCore

/// A safetensors file that is being written, whose data may come in pieces and in any order.
///
/// Opened with the whole table of tensors, so that every piece has its place at once. Safe to use from any thread.
public final class SafetensorsWriter: Sendable {
  /// What a finished file must be found to be.
  public struct Summary: Hashable, Sendable {
    /// In bytes.
    public let size: Int
    public let digest: Digest128

    package init(size: Int, digest: Digest128) {
      self.size = size
      self.digest = digest
    }
  }

  public let path: String
  private let ranges: [String: Range<Int>]
  private let size: Int
  private let state: Mutex<State>

  fileprivate struct State: ~Copyable {
    var file: OutputFile
    var written = Coverage()
    /// The digest of the bytes before `digested`: of what was handed over, as long as the pieces come in the
    /// file's order, and of what is read back from where they first do not.
    var digest = DigestStream()
    var digested = 0
    /// What went wrong first: the file stays incomplete from then on.
    var failure: CheckpointError?
    var summary: Summary?
  }

  /// Creates the file and writes its header.
  ///
  /// - Parameters:
  ///   - path: Must not exist.
  ///   - tensors: All that the file will hold; no name twice.
  ///   - metadata: The header's `__metadata__`.
  public convenience init(
    _ path: String, tensors: [Safetensors.Description], metadata: [String: String] = [:]
  ) throws(CheckpointError) {
    try self.init(
      path, tensors: tensors, metadata: metadata, order: .byName, replacing: false, calls: SystemCalls())
  }

  init(
    _ path: String, tensors: [Safetensors.Description], metadata: [String: String],
    order: Safetensors.Order, replacing: Bool, pastCache: Bool = false, calls: SystemCalls
  ) throws(CheckpointError) {
    let header = try SafetensorsHeader(laying: tensors, order: order, metadata: metadata, path: path)
    let bytes = try header.encoded(path: path)
    let start = bytes.count
    self.path = path
    size = start + header.dataCount
    ranges = Dictionary(
      uniqueKeysWithValues: header.entries.map {
        ($0.description.name, start + $0.range.lowerBound..<start + $0.range.upperBound)
      })
    var state = State(
      file: try OutputFile(
        path, replacing: replacing, pastCache: pastCache && size >= DirectBlocks.fewestBytes, calls: calls))
    try bytes.withUnsafeBufferPointer { (buffer) throws(CheckpointError) in
      try state.write(UnsafeRawBufferPointer(buffer), at: 0)
    }
    self.state = Mutex(state)
  }

  /// Writes a piece of a tensor, beginning with its byte `offset`. No byte may be written twice.
  public func write(
    _ bytes: UnsafeRawBufferPointer, ofTensor name: String, at offset: Int = 0
  ) throws(CheckpointError) {
    guard let range = ranges[name] else {
      throw CheckpointError(
        at: path, expected: "a tensor of the file's table", found: "\"\(name)\"",
        remedy: "This is a mistake in the program that writes it: please report it.")
    }
    guard offset >= 0, bytes.count <= range.count, offset <= range.count - bytes.count else {
      throw CheckpointError(
        at: "\(path), tensor \"\(name)\"", expected: "a piece within its \(range.count) bytes",
        found: "\(bytes.count) bytes at \(offset)",
        remedy: "This is a mistake in the program that writes it: please report it.")
    }
    try state.withLock { (state) throws(CheckpointError) in
      try state.write(bytes, at: range.lowerBound + offset)
    }
  }

  /// Writes whole tensors, in the file's order, whatever order they are given in.
  public func write(_ tensors: [Safetensors.Tensor]) throws(CheckpointError) {
    let sorted = tensors.sorted {
      (ranges[$0.description.name]?.lowerBound ?? 0) < (ranges[$1.description.name]?.lowerBound ?? 0)
    }
    for tensor in sorted { try write(tensor.bytes, ofTensor: tensor.description.name) }
  }

  /// Checks that every byte has come, puts the file on the disk and closes it. A second call does nothing more.
  public func finish() throws(CheckpointError) -> Summary {
    try state.withLock { (state) throws(CheckpointError) in
      if let summary = state.summary { return summary }
      if let failure = state.failure { throw failure }
      if let gap = state.written.firstGap(before: size) {
        let tensor = ranges.first { $0.value.contains(gap) }
        throw CheckpointError(
          at: path, expected: "every byte of every tensor",
          found: "none for \"\(tensor?.key ?? "")\" at byte \(gap - (tensor?.value.lowerBound ?? 0))",
          remedy: "This is a mistake in the program that writes it: please report it.")
      }
      let summary = try state.finish(size: size)
      state.summary = summary
      return summary
    }
  }
}

extension SafetensorsWriter.State {
  mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
    guard !bytes.isEmpty else { return }
    guard summary == nil, written.insert(offset..<offset + bytes.count) else {
      throw CheckpointError(
        at: file.path, expected: "each byte once, and none after the end",
        found: "\(bytes.count) bytes at \(offset) of the file",
        remedy: "This is a mistake in the program that writes it: please report it.")
    }
    do {
      try file.write(bytes, at: offset)
    } catch {
      failure = error
      throw error
    }
    if offset == digested {
      digest.update(bytes)
      digested += bytes.count
    }
  }

  mutating func finish(size: Int) throws(CheckpointError) -> SafetensorsWriter.Summary {
    var rest = DigestStream()
    swap(&rest, &digest)
    try file.read(digested..<size) { rest.update($0) }
    digested = size
    try file.finish()
    return SafetensorsWriter.Summary(size: size, digest: rest.digest)
  }
}

/// Which bytes of a file have been written: disjoint ranges, ascending, joined where they touch.
package struct Coverage {
  package private(set) var ranges: [Range<Int>] = []

  package init() {}

  /// Adds a range that is not empty; false, and nothing is added, if some of it is there already.
  package mutating func insert(_ range: Range<Int>) -> Bool {
    // The first range that ends at or after the new one's beginning; by bisection.
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    var joined = range
    var end = low
    if end < ranges.count, ranges[end].upperBound == range.lowerBound {
      joined = ranges[end].lowerBound..<joined.upperBound
      end += 1
    }
    if end < ranges.count {
      guard ranges[end].lowerBound >= range.upperBound else { return false }
      if ranges[end].lowerBound == range.upperBound {
        joined = joined.lowerBound..<ranges[end].upperBound
        end += 1
      }
    }
    ranges.replaceSubrange(low..<end, with: CollectionOfOne(joined))
    return true
  }

  /// The first byte before `end` that is not there, or nil.
  package func firstGap(before end: Int) -> Int? {
    guard let first = ranges.first, first.lowerBound == 0 else { return end > 0 ? 0 : nil }
    return first.upperBound < end ? first.upperBound : nil
  }
}
