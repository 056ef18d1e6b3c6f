internal import COpenMPI

/// The MPI library that the program is linked with.
public enum MPILibrary {
  /// Its name, version and build, in its own words; may be asked at any time, before joining too.
  ///
  /// The order in which sums are added is the library's, so this belongs to what ranks must have in common.
  public static let version: String =
    withUnsafeTemporaryAllocation(
      of: CChar.self, capacity: Int(lockstep_mpi_max_library_version()) + 1
    ) { text in
      text.initialize(repeating: 0)
      var length: Int32 = 0
      guard let start = text.baseAddress, MPI_Get_library_version(start, &length) == MPI_SUCCESS else {
        return "unknown"
      }
      return String(cString: start)
    }
}
