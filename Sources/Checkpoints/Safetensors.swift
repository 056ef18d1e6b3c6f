import TensorCore

/// The safetensors format: a length, a JSON header that names each tensor's type, shape and place, and the data,
/// little-endian, in C order. It is the file format of Hugging Face, read and written by PyTorch's tools.
public enum Safetensors {
  /// The types of elements, by the names that the format gives them.
  public enum ElementType: String, CaseIterable, Sendable {
    case bool = "BOOL"
    case unsigned8 = "U8"
    case signed8 = "I8"
    case unsigned16 = "U16"
    case signed16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case unsigned32 = "U32"
    case signed32 = "I32"
    case float32 = "F32"
    case unsigned64 = "U64"
    case signed64 = "I64"
    case float64 = "F64"

    /// The bytes of one element, which are also its alignment.
    public var byteCount: Int {
      switch self {
      case .bool, .unsigned8, .signed8: 1
      case .unsigned16, .signed16, .float16, .bfloat16: 2
      case .unsigned32, .signed32, .float32: 4
      case .unsigned64, .signed64, .float64: 8
      }
    }

    /// The bytes of a tensor of this type, or nil where that is more than an `Int` can say.
    func byteCount(shape: [Int]) -> Int? {
      var result = byteCount
      for dimension in shape {
        let (product, overflowed) = result.multipliedReportingOverflow(by: dimension)
        guard !overflowed else { return nil }
        result = product
      }
      return result
    }
  }

  /// A tensor without its data.
  public struct Description: Hashable, Sendable {
    public let name: String
    public let elementType: ElementType
    /// The dimensions, outermost first; none for a scalar.
    public let shape: [Int]
    public let byteCount: Int

    /// The shape's product must fit an `Int`, and no dimension may be negative.
    public init(_ name: String, _ elementType: ElementType = .float32, shape: [Int]) {
      precondition(shape.allSatisfy { $0 >= 0 }, "\(name): a dimension of \(shape) is negative")
      guard let byteCount = elementType.byteCount(shape: shape) else {
        preconditionFailure("\(name): the product of \(shape) is too great")
      }
      self.init(name, elementType, shape: shape, byteCount: byteCount)
    }

    init(_ name: String, _ elementType: ElementType, shape: [Int], byteCount: Int) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
      self.byteCount = byteCount
    }
  }

  /// A tensor with its data, which lie in memory that the caller keeps.
  public struct Tensor {
    public let description: Description
    /// `description.byteCount` bytes, little-endian, in C order.
    public let bytes: UnsafeRawBufferPointer

    public init(_ description: Description, bytes: UnsafeRawBufferPointer) {
      precondition(
        bytes.count == description.byteCount,
        "\(description.name): \(bytes.count) bytes for a tensor of \(description.byteCount)")
      self.description = description
      self.bytes = bytes
    }
  }

  /// How the data of tensors follow each other in a file, after descending alignment.
  public enum Order: Sendable {
    case byName
    /// As they are listed.
    case asGiven
  }

  /// The order in which names are sorted: byte by byte, the same on every machine.
  static func precedes(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  /// Writes a whole file at once; `path` then holds either all of it, on the disk, or what it held before.
  public static func write(
    _ tensors: [Tensor], metadata: [String: String] = [:], to path: String
  ) throws(CheckpointError) {
    let temporary = path + ".tmp"
    let calls = SystemCalls()
    do {
      let writer = try SafetensorsWriter(
        temporary, tensors: tensors.map(\.description), metadata: metadata, order: .byName, replacing: true,
        calls: calls)
      try writer.write(tensors)
      _ = try writer.finish()
      try Folders.rename(temporary, to: path, calls: calls)
    } catch {
      _ = calls.remove(temporary)
      throw error
    }
    try Folders.sync(Folders.parent(of: path), calls: calls)
  }
}
