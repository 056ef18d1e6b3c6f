import Foundation

/// Data on their way into memory that other processes see too.
///
/// In that memory lie, each from a multiple of 64 bytes on: the length of the index, eight bytes; the index, in JSON,
/// with all that is said of the data in words; and the numbers, part behind part.
public struct DataArchive {
  private struct Index: Codable {
    /// Values in JSON, each wrapped in an array, in the order in which they were added.
    var words: [Data] = []
    /// Bytes of each part.
    var sizes: [Int] = []
  }

  private static let boundary = 64

  private var index = Index()
  /// What writes each part to its place; it keeps the numbers.
  private var parts: [(UnsafeMutableRawPointer) -> Void] = []

  public init() {}

  /// Adds something small.
  package mutating func add(_ words: some Encodable) {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? encoder.encode([words]) else {
      preconditionFailure("texts and numbers can be written as JSON")
    }
    index.words.append(data)
  }

  mutating func add<Number>(_ numbers: StoredNumbers<Number>) {
    index.sizes.append(numbers.count * MemoryLayout<Number>.stride)
    parts.append { place in
      numbers.withUnsafeBufferPointer { numbers in
        guard let base = numbers.baseAddress else { return }
        place.copyMemory(from: base, byteCount: numbers.count * MemoryLayout<Number>.stride)
      }
    }
  }

  private var encodedIndex: Data {
    guard let data = try? JSONEncoder().encode(index) else {
      preconditionFailure("an index can be written as JSON")
    }
    return data
  }

  /// The bytes that it needs.
  package var byteCount: Int {
    index.sizes.reduce(Self.boundary + Self.room(encodedIndex.count)) { $0 + Self.room($1) }
  }

  /// Writes everything to memory of `byteCount` bytes, on a boundary of 64, and lets go of each part as soon as it is
  /// there: if nobody else keeps the numbers, no more than one part takes memory twice.
  package mutating func move(to memory: UnsafeMutableRawPointer) {
    let index = encodedIndex
    memory.storeBytes(of: index.count, as: Int.self)
    index.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      (memory + Self.boundary).copyMemory(from: base, byteCount: bytes.count)
    }
    var place = memory + Self.boundary + Self.room(index.count)
    parts.reverse()
    for size in self.index.sizes {
      parts.popLast()?(place)
      place += Self.room(size)
    }
    self.index = Index()
  }

  private static func room(_ bytes: Int) -> Int { (bytes + boundary - 1) / boundary * boundary }

  /// Takes data out of the memory to which an archive was written, in the order in which they were added.
  public struct Reader {
    private let index: Index
    private let owner: AnyObject
    private var place: UnsafeRawPointer
    private var nextWords = 0
    private var nextPart = 0

    /// - Parameter owner: keeps the memory, in which nobody writes any more.
    package init(at memory: UnsafeRawPointer, keptBy owner: AnyObject) throws(DatasetError) {
      let length = memory.load(as: Int.self)
      let start = memory + DataArchive.boundary
      guard let index = try? JSONDecoder().decode(Index.self, from: Data(bytes: start, count: length)) else {
        throw Self.mismatch("no index")
      }
      self.index = index
      self.owner = owner
      place = start + DataArchive.room(length)
    }

    package mutating func next<Value: Decodable>(_ type: Value.Type) throws(DatasetError) -> Value {
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .convertFromString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      guard nextWords < index.words.count,
        let value = try? decoder.decode([Value].self, from: index.words[nextWords]).first
      else { throw Self.mismatch("no \(Value.self) as value \(nextWords)") }
      nextWords += 1
      return value
    }

    mutating func nextNumbers<Number>(_ type: Number.Type) throws(DatasetError) -> StoredNumbers<Number> {
      guard nextPart < index.sizes.count,
        index.sizes[nextPart].isMultiple(of: MemoryLayout<Number>.stride)
      else { throw Self.mismatch("no \(Number.self) as part \(nextPart)") }
      let size = index.sizes[nextPart]
      let count = size / MemoryLayout<Number>.stride
      let numbers = UnsafeBufferPointer(start: place.assumingMemoryBound(to: Number.self), count: count)
      place += DataArchive.room(size)
      nextPart += 1
      return StoredNumbers(numbers, keptBy: owner)
    }

    private static func mismatch(_ found: String) -> DatasetError {
      DatasetError(
        at: "data shared by the ranks of a machine", expected: "what the first of them has put there",
        found: found, remedy: "Start the same program with the same arguments on all ranks.")
    }
  }
}
