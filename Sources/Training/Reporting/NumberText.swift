import Foundation

/// Numbers as people read them, the same everywhere in reports.
package enum NumberText {
  /// `12,345`
  package static func grouped(_ number: Double) -> String {
    guard number.isFinite, abs(number) < 1e15 else { return "\(number)" }
    let digits = String(Int(number.magnitude.rounded()))
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return number < 0 ? "-" + result : result
  }

  /// `950`, `12.3 k`, `4.1 M`
  package static func count(_ number: Int) -> String {
    let units = ["", " k", " M", " G", " T"]
    var (value, unit) = (Double(number), 0)
    while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return fixed(value, unit == 0 || value >= 100 ? 0 : 1) + units[unit]
  }

  /// A rate, with a digit behind the point where it is small.
  package static func rate(_ number: Double) -> String {
    number < 10 ? fixed(number, 1) : grouped(number)
  }

  /// `decimals` digits behind the point.
  package static func fixed(_ number: Double, _ decimals: Int) -> String {
    String(format: "%.\(decimals)f", number)
  }

  /// Four digits behind the point, or powers of ten where those would show nothing.
  package static func loss(_ number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "not a number" : "infinite" }
    return number != 0 && (number.magnitude < 1e-3 || number.magnitude >= 1e5)
      ? String(format: "%.2e", number) : fixed(number, 4)
  }

  /// `97.12 %`
  package static func percent(_ part: Double) -> String { fixed(100 * part, 2) + " %" }

  /// `0:07`, `12:34`, `3:07:12`; of days on: `2 d 3 h`.
  package static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "?" }
    let all = Int(seconds.rounded())
    let (hours, minutes, rest) = (all / 3600, all / 60 % 60, all % 60)
    if hours >= 48 { return "\(hours / 24) d \(hours % 24) h" }
    let tail = rest < 10 ? "0\(rest)" : "\(rest)"
    guard hours > 0 else { return "\(minutes):\(tail)" }
    return "\(hours):\(minutes < 10 ? "0" : "")\(minutes):\(tail)"
  }

  /// A time in words: `0.52 s`, `7.3 s`, then as a clock.
  package static func duration(_ seconds: Double) -> String {
    if seconds < 1 { return fixed(seconds, 2) + " s" }
    return seconds < 60 ? fixed(seconds, 1) + " s" : clock(seconds)
  }

  /// `512 MiB`, `3.2 GiB`
  package static func bytes(_ count: Double) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var (value, unit) = (count, 0)
    while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    return (unit == 0 || value >= 10 ? fixed(value, 0) : fixed(value, 1)) + " " + units[unit]
  }
}
