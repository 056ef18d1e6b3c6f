/// How the bytes of images, or the numbers of tables, become the floats that a model is given.
///
/// A model has learned with one normalization and needs the same one when it is used, so it is kept with
/// the model.
public struct Normalization: Sendable, Equatable, Codable {
  /// The ways to choose a normalization.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// The bytes themselves, 0 to 255; the numbers themselves.
    case none
    /// Bytes divided by 255; not for tables.
    case unit
    /// Each channel of the bytes divided by 255, or each column of numbers, less its mean, divided by its
    /// standard deviation, both taken over the training samples only.
    case standard
  }

  public let kind: Kind
  /// Of each channel, where bytes count from 0 to 1, or of each column; empty unless the kind is `standard`.
  public let mean: [Double]
  /// Of each channel, where bytes count from 0 to 1, or of each column; empty unless the kind is `standard`.
  public let standardDeviation: [Double]

  public static let none = Normalization(kind: .none, mean: [], standardDeviation: [])
  public static let unit = Normalization(kind: .unit, mean: [], standardDeviation: [])

  /// Known statistics of each channel, where bytes count from 0 to 1; deviations are above zero.
  public static func standard(mean: [Double], standardDeviation: [Double]) -> Normalization {
    precondition(mean.count == standardDeviation.count, "a mean and a deviation for each channel")
    precondition(standardDeviation.allSatisfy { $0 > 0 }, "standard deviations must be above zero")
    return Normalization(kind: .standard, mean: mean, standardDeviation: standardDeviation)
  }

  private init(kind: Kind, mean: [Double], standardDeviation: [Double]) {
    self.kind = kind
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  /// Whether it can be applied; what is read from a file may say anything.
  package var isPossible: Bool {
    guard kind == .standard else { return mean.isEmpty && standardDeviation.isEmpty }
    return !mean.isEmpty && mean.count == standardDeviation.count && mean.allSatisfy(\.isFinite)
      && standardDeviation.allSatisfy { $0 > 0 && $0.isFinite }
  }

  /// The number of channels it is made for; nil where any number will do.
  var channels: Int? { kind == .standard ? mean.count : nil }

  /// Byte to float for one channel.
  func line(channel: Int) -> ByteLine {
    switch kind {
    case .none: ByteLine(slope: 1, offset: 0)
    case .unit: ByteLine(slope: 1.0 / 255, offset: 0)
    case .standard:
      ByteLine(
        slope: 1 / (255 * standardDeviation[channel]),
        offset: -mean[channel] / standardDeviation[channel])
    }
  }

  /// What a byte becomes in one channel.
  func value(ofByte byte: UInt8, channel: Int) -> Float {
    var value: Float = 0
    withUnsafePointer(to: byte) { line(channel: channel).convert($0, count: 1, into: &value) }
    return value
  }
}

/// The line from a byte to a float.
///
/// The slope is kept in two parts. A byte times the first, of 16 bits, is exact, so the sum is rounded from
/// nearly the true value: without offset it is the correctly rounded quotient, `Float(byte) / 255`, to the
/// last bit, at half the time of a division.
struct ByteLine: Sendable {
  private let high: Float
  private let low: Float
  private let offset: Float

  init(slope: Double, offset: Double) {
    high = Float(bitPattern: Float(slope).bitPattern & 0xFFFF_FF00)
    low = Float(slope - Double(high))
    self.offset = Float(offset)
  }

  /// Converts `count` bytes; simple enough that the compiler vectorizes it.
  @inline(__always)
  func convert(
    _ bytes: UnsafePointer<UInt8>, count: Int, into floats: UnsafeMutablePointer<Float>
  ) {
    let (high, low, offset) = (high, low, offset)
    if offset == 0 {
      for index in 0..<count {
        let byte = Float(bytes[index])
        floats[index] = byte * high + byte * low
      }
    } else {
      for index in 0..<count {
        let byte = Float(bytes[index])
        floats[index] = byte * high + (byte * low + offset)
      }
    }
  }
}
