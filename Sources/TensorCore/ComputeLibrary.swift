import COneDNN

/// The library behind the matrix products, and how many threads it may use.
public enum ComputeLibrary {
  /// As `oneDNN 2.6.3`.
  public static var version: String {
    guard let version = dnnl_version()?.pointee else { return "oneDNN, version unknown" }
    return "oneDNN \(version.major).\(version.minor).\(version.patch)"
  }

  /// Sets the number of threads for the matrix products that the calling thread asks for, before the first
  /// one. It is never inherited: the default follows the affinity mask, which launchers set differently at
  /// different numbers of ranks, and the results of a matrix product depend on it.
  public static func setThreads(_ threads: Int) {
    precondition(threads > 0)
    _ = lockstep_set_openmp_threads(Int32(threads))
  }

  /// The number of threads for the matrix products of the calling thread.
  static var threads: Int { Int(lockstep_openmp_threads()) }
}
