import Foundation

/// The most memory that this process has had resident.
enum PeakMemory {
  static var mebibytes: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) / 1024
  }
}
