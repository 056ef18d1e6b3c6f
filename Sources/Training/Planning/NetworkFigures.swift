import TensorCore

/// What a network between machines can do.
public struct NetworkFigures: Sendable, Equatable, Codable {
  /// Of a short message, one way.
  public var latencySeconds: Double
  /// Of a machine's connection, each way.
  public var bytesPerSecond: Double

  public init(latencySeconds: Double, bytesPerSecond: Double) {
    self.latencySeconds = latencySeconds
    self.bytesPerSecond = bytesPerSecond
  }

  /// How the figures are written on a command line.
  public static let example = "30us,10Gbit"

  /// Reads `30us,10Gbit`: a latency in ns, us, ms or s, and a bandwidth a second, in bits (kbit, Mbit, Gbit, Tbit)
  /// or bytes (kB, MB, GB, KiB, MiB, GiB).
  public init(_ text: String) throws(TrainingError) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else {
      throw Self.refusal(text, expected: "a latency and a bandwidth", found: text)
    }
    guard let latency = Self.value(parts[0], Self.times), latency >= 0 else {
      throw Self.refusal(text, expected: "a latency in ns, us, ms or s", found: parts[0])
    }
    guard let bandwidth = Self.value(parts[1], Self.rates), bandwidth > 0 else {
      throw Self.refusal(
        text, expected: "a bandwidth in Mbit, Gbit, MB or GB a second", found: parts[1])
    }
    self.init(latencySeconds: latency, bytesPerSecond: bandwidth)
  }

  private static let times = ["ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1]
  private static let rates = [
    "kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8, "tbit": 1e12 / 8, "kb": 1e3, "mb": 1e6, "gb": 1e9,
    "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824,
  ]

  /// A number and its unit; a bandwidth's `/s` may stand behind it.
  private static func value(_ text: String, _ units: [String: Double]) -> Double? {
    let word = text.filter { !$0.isWhitespace }
    let digits = word.prefix { $0.isNumber || $0 == "." || $0 == "-" || $0 == "+" }
    var unit = word.dropFirst(digits.count).lowercased()
    if unit.hasSuffix("/s") { unit.removeLast(2) }
    guard let number = Double(digits), let factor = units[unit], number.isFinite else { return nil }
    return number * factor
  }

  private static func refusal(_ text: String, expected: String, found: String) -> TrainingError {
    TrainingError(
      at: "--network \(text)", expected: expected, found: found.isEmpty ? "nothing" : found,
      remedy: "For example: --network \(example)")
  }
}
