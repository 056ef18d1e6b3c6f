import CXXHash

/// A 128-bit XXH3 digest: finds every accidental change, at memory speed. It is no defence against a forger.
public struct Digest128: Hashable, Sendable, CustomStringConvertible {
  public let high: UInt64
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The digest of one range of bytes.
  public init(of bytes: UnsafeRawBufferPointer) {
    let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
    self.init(high: hash.high64, low: hash.low64)
  }

  /// The digest of one array of bytes.
  public init(of bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { Digest128(of: $0) }
  }

  /// Reads what `description` wrote: 32 lower-case hexadecimal digits, and nothing else.
  public init?(hexadecimal text: String) {
    var parts: (UInt64, UInt64) = (0, 0)
    var count = 0
    for byte in text.utf8 {
      let digit: UInt64
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a")) + 10
      default: return nil
      }
      parts = (parts.0 << 4 | parts.1 >> 60, parts.1 << 4 | digit)
      count += 1
    }
    guard count == 32 else { return nil }
    self.init(high: parts.0, low: parts.1)
  }

  /// 32 hexadecimal digits, the most significant first, as `xxhsum -H2` prints them.
  public var description: String { Self.digits(high) + Self.digits(low) }

  private static func digits(_ value: UInt64) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}

/// Digests bytes that come in pieces; where the pieces are cut makes no difference.
public struct DigestStream: ~Copyable, @unchecked Sendable {
  private let state: OpaquePointer

  public init() {
    guard let state = XXH3_createState() else { preconditionFailure("out of memory") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  /// Adds a piece.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// Adds a whole number as eight little-endian bytes.
  public mutating func update(_ number: Int) {
    withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { update($0) }
  }

  /// Adds a text: its length in bytes, then its UTF-8 bytes.
  public mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      update(bytes.count)
      update(UnsafeRawBufferPointer(bytes))
    }
  }

  /// The digest of everything added so far; more may follow.
  public var digest: Digest128 {
    let hash = XXH3_128bits_digest(state)
    return Digest128(high: hash.high64, low: hash.low64)
  }
}

extension Digest128 {
  /// The digest of named tensors, whatever file or order they are kept in: sorted by name, each adds its name,
  /// element type, shape and data.
  public init(ofTensors tensors: [Safetensors.Tensor]) {
    var stream = DigestStream()
    for tensor in tensors.sorted(by: { Safetensors.precedes($0.description.name, $1.description.name) }) {
      stream.update(tensor.description)
      stream.update(tensor.bytes)
    }
    self = stream.digest
  }
}

extension DigestStream {
  /// Adds what describes a tensor; its data is to follow.
  mutating func update(_ tensor: Safetensors.Description) {
    update(tensor.name)
    update(tensor.elementType.rawValue)
    update(tensor.shape.count)
    for dimension in tensor.shape { update(dimension) }
  }
}
