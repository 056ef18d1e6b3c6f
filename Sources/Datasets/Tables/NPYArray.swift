import TensorCore

/// An array in the NPY format, versions 1 to 3, in which NumPy saves them.
///
/// The bytes 93 `NUMPY`, two for the version, the header's length as a little-endian number, the header as a
/// Python dictionary, then the elements. Read here are whole numbers and floats of every size, and booleans,
/// of either byte order, in C or Fortran order; never Python objects, which are programs.
public struct NPYArray: Sendable {
  /// The type of the elements; raw values are NumPy's, without the byte order.
  public enum Element: String, Sendable, CaseIterable {
    case bool = "b1"
    case uint8 = "u1"
    case int8 = "i1"
    case uint16 = "u2"
    case int16 = "i2"
    case uint32 = "u4"
    case int32 = "i4"
    case uint64 = "u8"
    case int64 = "i8"
    case float16 = "f2"
    case float32 = "f4"
    case float64 = "f8"

    /// Bytes an element.
    public var size: Int {
      switch self {
      case .bool, .uint8, .int8: 1
      case .uint16, .int16, .float16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64: 8
      }
    }

    public var isFloat: Bool { self == .float16 || self == .float32 || self == .float64 }
  }

  public let path: String
  public let element: Element
  public let shape: [Int]
  /// The elements in C order, the last dimension fastest, in the byte order of this machine.
  public let bytes: [UInt8]

  public var count: Int { bytes.count / element.size }

  /// Reads a file, gzipped or not. Throws where it cannot be read, is cut short, longer than its header
  /// says, of a type that is not read, or not NPY.
  public init(contentsOf path: String) throws(DatasetError) {
    let source = try ByteSource(path: path)
    let header = try NPYHeader(source)
    let size = Self.size(header)
    let mostBytes = source.greatestContents - (source.isGzipped ? 0 : header.size)
    func wrong(found: String, isShort: Bool) -> DatasetError {
      DatasetError(
        at: path, expected: "\(header.shape) elements of \(header.element.size) bytes, as the header says",
        found: found,
        remedy: isShort ? "The file was cut short: fetch or save it again." : "Save a single array in it.")
    }
    // Before there is memory for them; what is gzipped shows its size only on the way.
    guard let size, source.isGzipped ? size <= mostBytes : size == mostBytes else {
      throw wrong(
        found: "\(source.isGzipped ? "at most " : "")\(mostBytes) bytes behind the header",
        isShort: size.map { mostBytes < $0 } ?? true)
    }
    // One byte more than there should be finds the end.
    let bytes = try source.bytes(upTo: size + 1)
    guard bytes.count == size else {
      throw wrong(
        found: "\(bytes.count < size ? "\(bytes.count)" : "more") bytes behind the header",
        isShort: bytes.count < size)
    }
    self.path = path
    element = header.element
    shape = header.shape
    self.bytes = Self.ordered(bytes, header)
  }

  /// The bytes that the elements take; nil where they are more than a number can say.
  private static func size(_ header: NPYHeader) -> Int? {
    // Without its zeros the product must fit as well, or a user of the shape could overflow.
    var size = header.element.size
    for dimension in header.shape where dimension > 0 {
      let (product, overflows) = size.multipliedReportingOverflow(by: dimension)
      if overflows { return nil }
      size = product
    }
    return header.shape.contains(0) ? 0 : size
  }

  /// The elements in C order and this machine's byte order.
  private static func ordered(_ bytes: [UInt8], _ header: NPYHeader) -> [UInt8] {
    let size = header.element.size
    let count = bytes.count / size
    let swaps = header.isBigEndian && size > 1
    if count == 0 || !swaps && !header.isFortranOrder { return bytes }
    var strides: [Int] = []
    var step = 1
    for dimension in header.shape {
      strides.append(step)
      step *= dimension
    }
    var place = [Int](repeating: 0, count: header.shape.count)
    return [UInt8](unsafeUninitializedCapacity: count * size) { memory, filled in
      filled = count * size
      for index in 0..<count {
        var source = index
        if header.isFortranOrder {
          source = 0
          for axis in place.indices { source += place[axis] * strides[axis] }
          var axis = place.count - 1
          while axis >= 0 {
            place[axis] += 1
            if place[axis] < header.shape[axis] { break }
            place[axis] = 0
            axis -= 1
          }
        }
        let from = source * size
        for byte in 0..<size {
          memory[index * size + byte] = bytes[from + (swaps ? size - 1 - byte : byte)]
        }
      }
    }
  }

  /// All elements as floats; whole numbers beyond 2²⁴ and 64-bit floats are rounded.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { memory, filled in
      filled = count
      let floats = UnsafeMutableBufferPointer(rebasing: memory[..<count])
      bytes.withUnsafeBytes { element.writeFloats(of: $0, from: 0, to: floats) }
    }
  }

  /// All elements as whole numbers of 32 bits, up to the first that is none: its place, and what is there.
  func wholeNumbers() -> (numbers: [Int32], wrong: Int?) {
    var numbers: [Int32] = []
    numbers.reserveCapacity(count)
    bytes.withUnsafeBytes { bytes in
      func all<Word: BitwiseCopyable>(_ type: Word.Type, _ number: (Word) -> Int32?) {
        for index in 0..<count {
          let word = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Word>.size, as: type)
          guard let number = number(word) else { return }
          numbers.append(number)
        }
      }
      switch element {
      case .bool: all(UInt8.self) { $0 == 0 ? 0 : 1 }
      case .uint8: all(UInt8.self) { Int32($0) }
      case .int8: all(Int8.self) { Int32($0) }
      case .uint16: all(UInt16.self) { Int32($0) }
      case .int16: all(Int16.self) { Int32($0) }
      case .uint32: all(UInt32.self) { Int32(exactly: $0) }
      case .int32: all(Int32.self) { $0 }
      case .uint64: all(UInt64.self) { Int32(exactly: $0) }
      case .int64: all(Int64.self) { Int32(exactly: $0) }
      case .float16: all(UInt16.self) { Int32(exactly: Self.float(half: $0)) }
      case .float32: all(Float.self) { Int32(exactly: $0) }
      case .float64: all(Double.self) { Int32(exactly: $0) }
      }
    }
    return (numbers, numbers.count < count ? numbers.count : nil)
  }

  /// The value of an IEEE 754 half. (Swift has no Float16 on some Intel machines.)
  package static func float(half: UInt16) -> Float {
    let sign: Float = half & 0x8000 == 0 ? 1 : -1
    let exponent = Int(half >> 10 & 0x1F)
    let fraction = Float(half & 0x3FF)
    return switch exponent {
    case 0: sign * fraction * 0x1p-24
    case 31: fraction == 0 ? sign * .infinity : .nan
    default: sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
    }
  }
}

extension NPYArray.Element {
  /// Writes elements as floats, as many as there is memory for, from element `first` on.
  func writeFloats(
    of bytes: UnsafeRawBufferPointer, from first: Int, to floats: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(first >= 0 && (first + floats.count) * size <= bytes.count, "elements that are there")
    func write<Word: BitwiseCopyable>(_ type: Word.Type, _ float: (Word) -> Float) {
      for index in floats.indices {
        let offset = (first + index) * MemoryLayout<Word>.size
        floats.initializeElement(at: index, to: float(bytes.loadUnaligned(fromByteOffset: offset, as: type)))
      }
    }
    switch self {
    case .bool: write(UInt8.self) { $0 == 0 ? 0 : 1 }
    case .uint8: write(UInt8.self) { Float($0) }
    case .int8: write(Int8.self) { Float($0) }
    case .uint16: write(UInt16.self) { Float($0) }
    case .int16: write(Int16.self) { Float($0) }
    case .uint32: write(UInt32.self) { Float($0) }
    case .int32: write(Int32.self) { Float($0) }
    case .uint64: write(UInt64.self) { Float($0) }
    case .int64: write(Int64.self) { Float($0) }
    case .float16: write(UInt16.self, NPYArray.float(half:))
    case .float32: write(Float.self) { $0 }
    case .float64: write(Double.self) { Float($0) }
    }
  }
}
