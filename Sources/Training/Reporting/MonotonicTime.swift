import Foundation

/// Time that no change of the clock disturbs: whatever is measured in a run is measured with it.
public enum MonotonicTime {
  /// Nanoseconds since some moment in the past, the same for the whole process.
  @inlinable public static var nanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// The same in seconds.
  public static var seconds: Double { Double(nanoseconds) * 1e-9 }
}
