import TensorCore

/// An array in the IDX format, in which MNIST and its kin are published.
///
/// Two zero bytes, a byte for the type and one for the number of dimensions, the dimensions as big-endian
/// 32-bit numbers, then the elements, big-endian, the last dimension fastest.
public struct IDXArray: Sendable {
  /// The type of the elements; raw values are the format's.
  public enum Element: UInt8, Sendable, CaseIterable {
    case uint8 = 0x08
    case int8 = 0x09
    case int16 = 0x0B
    case int32 = 0x0C
    case float32 = 0x0D
    case float64 = 0x0E

    /// Bytes an element.
    public var size: Int {
      switch self {
      case .uint8, .int8: 1
      case .int16: 2
      case .int32, .float32: 4
      case .float64: 8
      }
    }
  }

  public let element: Element
  public let shape: [Int]
  /// The elements as they lie in the file, big-endian.
  public let bytes: [UInt8]

  /// Reads a file, gzipped or not, which its first bytes decide.
  ///
  /// What the header says is believed only as far as the file's size allows, memory is touched only as far
  /// as there are data, and nothing is inflated beyond what the header says. Throws where the file cannot
  /// be read, is cut short, damaged, longer than its header says, or not IDX.
  public init(contentsOf path: String) throws(DatasetError) {
    let source = try ByteSource(path: path)
    let start = try Self.read(4, of: "the first 4 bytes of an IDX header", from: source)
    guard start[0] == 0, start[1] == 0, let element = Element(rawValue: start[2]), 1...8 ~= start[3]
    else {
      throw DatasetError(
        at: path,
        expected: "an IDX header: 00 00, a type 08, 09 or 0b to 0e, and 1 to 8 dimensions",
        found: start.map(Self.hexadecimal).joined(separator: " "),
        remedy: "Name an IDX file, gzipped or not.")
    }
    let rank = Int(start[3])
    let header = try Self.read(4 * rank, of: "an IDX header of \(rank) dimensions", from: source)
    let shape = (0..<rank).map { dimension in
      header[4 * dimension..<4 * dimension + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    // Without its zeros the product must fit as well, or a user of the shape could overflow.
    var size = element.size
    var isTooLarge = false
    for dimension in shape where dimension > 0 {
      let (product, overflows) = size.multipliedReportingOverflow(by: dimension)
      isTooLarge = isTooLarge || overflows
      size = overflows ? 0 : product
    }
    if shape.contains(0) { size = 0 }
    isTooLarge = isTooLarge || size > source.greatestContents
    let elements = shape.map(String.init).joined(separator: " × ")
    let contents =
      "\(elements) elements of \(element.size == 1 ? "1 byte" : "\(element.size) bytes"), as its header says"
    if isTooLarge {
      throw DatasetError(
        at: path, expected: contents, found: "a file of only \(source.fileSize) bytes",
        remedy: source.isGzipped
          ? "The header is damaged, or the file is to be inflated first, with gunzip."
          : "The header is damaged or the file was cut short: fetch it again.")
    }
    self.element = element
    self.shape = shape
    self.bytes = try Self.read(size, of: contents, from: source)
    guard try Self.isAtEnd(source) else {
      throw DatasetError(
        at: path, expected: contents, found: "more data behind them",
        remedy: "The header is damaged, or this is not an IDX file: fetch it again.")
    }
  }

  /// All elements as floats; whole numbers beyond 2²⁴ and 64-bit floats are rounded.
  public func floats() -> [Float] { (0..<bytes.count / element.size).map { Float(double(at: $0)) } }

  /// All elements, exactly.
  public func doubles() -> [Double] { (0..<bytes.count / element.size).map(double) }

  /// What `result` makes of each element, in an array of its own.
  func elements<Result>(_ result: (Double) throws(DatasetError) -> Result) throws(DatasetError) -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(bytes.count / element.size)
    for index in 0..<bytes.count / element.size { results.append(try result(double(at: index))) }
    return results
  }

  private func double(at index: Int) -> Double {
    bytes.withUnsafeBytes { bytes in
      func bits<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type) -> Word {
        Word(bigEndian: bytes.loadUnaligned(fromByteOffset: index * element.size, as: type))
      }
      return switch element {
      case .uint8: Double(bits(UInt8.self))
      case .int8: Double(bits(Int8.self))
      case .int16: Double(bits(Int16.self))
      case .int32: Double(bits(Int32.self))
      case .float32: Double(Float(bitPattern: bits(UInt32.self)))
      case .float64: Double(bitPattern: bits(UInt64.self))
      }
    }
  }

  /// Exactly `count` bytes.
  private static func read(
    _ count: Int, of contents: String, from source: ByteSource
  ) throws(DatasetError) -> [UInt8] {
    let bytes = try source.bytes(upTo: count)
    guard bytes.count == count else {
      throw DatasetError(
        at: source.path, expected: "\(contents), \(count) bytes", found: "only \(bytes.count) bytes",
        remedy: "The file was cut short: fetch it again.")
    }
    return bytes
  }

  private static func isAtEnd(_ source: ByteSource) throws(DatasetError) -> Bool {
    let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
    defer { byte.deallocate() }
    return try source.read(byte) == 0
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
