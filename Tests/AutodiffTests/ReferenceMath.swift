import Foundation

/// The few functions that expected values need, in double precision.
enum ReferenceMath {
  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
  static func log(_ x: Double) -> Double { Foundation.log(x) }
}
